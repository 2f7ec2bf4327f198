//! A scenario's objects for a lab on a real cluster.

use crate::home::Existing;
use crate::stack::{self, Images};
use serde_json::Value;

/// Where a lab keeps the person's own images, in its folder of `home`.
pub const IMAGES_FILE: &str = "images.yaml";
/// As `uses` of an [`Existing`] spells them.
pub const FLUX: &str = "flux";
pub const FLAGGER: &str = "flagger";

/// The images that the lab has, in place of the ones that the objects name; and where its Flagger is the cluster's own,
/// Canaries that name the lab's Prometheus.
pub fn adapt(objects: &mut [Value], images: &Images, existing: Option<&Existing>) {
    objects.iter_mut().for_each(|it| images.put(it));
    if existing.is_some_and(|it| it.uses.iter().any(|it| it == FLAGGER)) {
        stack::ask_ours(objects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_get_the_images_of_the_lab() {
        let images =
            Images::default().with("images: {podinfo: {image: 'my/podinfo:6.9.2', program: podinfo}}").unwrap();
        let container = json!({"image": "ghcr.io/stefanprodan/podinfo:6.9.2", "command": ["./podinfo"]});
        let mut objects = [
            json!({"kind": "Namespace", "metadata": {"name": "test"}}),
            json!({"kind": "Deployment", "metadata": {"name": "podinfo"},
                "spec": {"template": {"spec": {"containers": [container]}}}}),
        ];
        adapt(&mut objects, &images, None);
        assert_eq!(objects[0], json!({"kind": "Namespace", "metadata": {"name": "test"}}));
        let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["command"][0]), (&json!("my/podinfo:6.9.2"), &json!("podinfo")));
    }
}
