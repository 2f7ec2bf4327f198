//! A scenario's objects for a lab on a real cluster.

use crate::stack::Images;
use serde_json::{Value, json};

/// Where a lab keeps the person's own images, in its folder of `home`.
pub const IMAGES_FILE: &str = "images.yaml";
/// Flux leaves an object with this annotation as it is. Without it, it would take a release back at its next interval.
const NOT_BY_FLUX: &str = "kustomize.toolkit.fluxcd.io/reconcile";

/// The images that the lab has, in place of the ones that the objects name; and what the scenario changes is the scenario's,
/// no longer Flux', which brought the same app into the lab.
pub fn adapt(objects: &mut [Value], images: &Images) {
    for object in objects {
        images.put(object);
        if object["kind"] != "Namespace" {
            object["metadata"]["annotations"][NOT_BY_FLUX] = json!("disabled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_get_the_labs_images_and_are_taken_from_flux() {
        let images =
            Images::default().with("images: {podinfo: {image: 'my/podinfo:6.9.2', program: podinfo}}").unwrap();
        let container = json!({"image": "ghcr.io/stefanprodan/podinfo:6.9.2", "command": ["./podinfo"]});
        let mut objects = [
            json!({"kind": "Namespace", "metadata": {"name": "test"}}),
            json!({"kind": "Deployment", "metadata": {"name": "podinfo"},
                "spec": {"template": {"spec": {"containers": [container]}}}}),
        ];
        adapt(&mut objects, &images);
        assert_eq!(objects[0], json!({"kind": "Namespace", "metadata": {"name": "test"}}));
        let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["command"][0]), (&json!("my/podinfo:6.9.2"), &json!("podinfo")));
        assert_eq!(objects[1]["metadata"]["annotations"][NOT_BY_FLUX], "disabled");
    }
}
