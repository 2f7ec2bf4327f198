//! A scenario's objects for a lab on a real cluster.

use crate::stack::Images;
use serde_json::Value;

/// Where a lab keeps the person's own images, in its folder of `home`.
pub const IMAGES_FILE: &str = "images.yaml";

/// The images that the lab has, in place of the ones that the objects name.
pub fn adapt(objects: &mut [Value], images: &Images) {
    objects.iter_mut().for_each(|it| images.put(it));
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
        adapt(&mut objects, &images);
        assert_eq!(objects[0], json!({"kind": "Namespace", "metadata": {"name": "test"}}));
        let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["command"][0]), (&json!("my/podinfo:6.9.2"), &json!("podinfo")));
    }
}
