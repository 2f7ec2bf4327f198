//! Which images a lab runs: the defaults of `lab/images.yaml`, and what a person wants instead.

use crate::sys::yaml::{self, Dialect};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEFAULTS: &str = include_str!("../../lab/images.yaml");
/// Where an `NginxProxy` names the image of its data planes.
const DATA_PLANE: &str = "/spec/kubernetes/deployment/container/image";

/// An image by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `ghcr.io/fluxcd/flagger:1.44.0`
    pub name: String,
    /// The program's name in this image, where it is not the one that manifests write as the first word of a command.
    pub program: Option<String>,
}

/// All images of a lab, by the names that `lab/images.yaml` gives its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// What a node of kind runs.
    pub node: String,
    wanted: BTreeMap<String, Image>,
    defaults: BTreeMap<String, Image>,
    stand_ins: BTreeMap<String, String>,
}

/// A file of images that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    #[error("it is not YAML: {0}")]
    Yaml(String),
    #[error("`{found}` is no key of a file of images: it has `node`, `images` and `standIns`")]
    Key { found: String },
    #[error("`{image}` of standIns has no image that stands in for it")]
    StandIn { image: String },
    #[error("there is no part `{found}`; the parts are {known}")]
    Part { found: String, known: String },
    #[error("`{part}` is neither an image's name nor `{{image: NAME, program: NAME}}`")]
    Image { part: String },
    #[error("`{image}` has no tag: write it as REPOSITORY:TAG, so that the same lab comes out tomorrow")]
    Tag { image: String },
}

impl Default for Images {
    fn default() -> Self {
        let found = read(DEFAULTS).expect("a test reads lab/images.yaml");
        Self {
            node: found.node.unwrap_or_default(),
            wanted: found.images.clone(),
            defaults: found.images,
            stand_ins: found.stand_ins,
        }
    }
}

impl Images {
    /// These images with what a person's file says in their places. The file has the form of `lab/images.yaml`, and only
    /// what differs.
    pub fn with(mut self, text: &str) -> Result<Self, ImagesError> {
        let found = read(text)?;
        if let Some(node) = found.node {
            self.node = node;
        }
        for (part, image) in found.images {
            if !self.wanted.contains_key(&part) {
                let known = self.wanted.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(ImagesError::Part { found: part, known });
            }
            self.wanted.insert(part, image);
        }
        self.stand_ins.extend(found.stand_ins);
        Ok(self)
    }

    /// The image that takes the place of `image`, which cannot be had.
    #[must_use]
    pub fn stand_in(&self, image: &str) -> Option<&str> {
        self.stand_ins.get(image).map(String::as_str)
    }

    /// Images that cannot be had, and that others stand in for.
    pub fn stood_in(&self) -> impl Iterator<Item = &str> {
        self.stand_ins.keys().map(String::as_str)
    }

    /// The image of a part, by its name in `lab/images.yaml`.
    #[must_use]
    pub fn of(&self, part: &str) -> Option<&Image> {
        self.wanted.get(part)
    }

    /// All parts and their images, by name: what a lab without a network has to bring along.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Image)> {
        self.wanted.iter().map(|(part, image)| (part.as_str(), image))
    }

    /// Puts the wanted images into every container of an object. Another tag than the default's is one that somebody chose
    /// (a release of the demo app): it stays, and the repository alone is exchanged.
    pub fn put(&self, object: &mut Value) {
        for pointer in ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"] {
            let Some(pod) = object.pointer_mut(pointer) else { continue };
            for key in ["initContainers", "containers"] {
                pod.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(|it| self.exchange(it));
            }
        }
        if object["kind"] == "NginxProxy"
            && let Some(image) = object.pointer_mut(DATA_PLANE)
        {
            self.exchange_parts(image);
        }
    }

    /// NGINX Gateway Fabric names the image of its data planes in two fields.
    fn exchange_parts(&self, image: &mut Value) {
        let (Some(repository), Some(tag)) = (image["repository"].as_str(), image["tag"].as_str()) else { return };
        let mut container = json!({ "image": format!("{repository}:{tag}") });
        self.exchange(&mut container);
        let (repository, tag) = split(container["image"].as_str().unwrap_or_default());
        (image["repository"], image["tag"]) = (json!(repository), json!(tag));
    }

    fn exchange(&self, container: &mut Value) {
        let Some(written) = container["image"].as_str() else { return };
        let (repository, tag) = split(written);
        let part = self.defaults.iter().find(|(_, it)| split(&it.name).0 == repository);
        let Some((default, wanted)) = part.and_then(|(part, it)| Some((it, self.wanted.get(part)?))) else { return };
        let name = match split(&wanted.name) {
            (repository, _) if tag != split(&default.name).1 => format!("{repository}:{tag}"),
            _ => wanted.name.clone(),
        };
        container["image"] = Value::String(name);
        if let (Some(program), Some(first)) = (&wanted.program, container.pointer_mut("/command/0")) {
            *first = Value::String(program.clone());
        }
    }
}

/// Repository, and tag with digest.
fn split(image: &str) -> (&str, &str) {
    let path = image.rfind('/').map_or(0, |it| it + 1);
    image[path..].find([':', '@']).map_or((image, ""), |at| (&image[..path + at], &image[path + at + 1..]))
}

struct File {
    node: Option<String>,
    images: BTreeMap<String, Image>,
    stand_ins: BTreeMap<String, String>,
}

fn read(text: &str) -> Result<File, ImagesError> {
    let documents = yaml::documents(text, Dialect::Strict).map_err(|it| ImagesError::Yaml(it.message))?;
    let mut file = File { node: None, images: BTreeMap::new(), stand_ins: BTreeMap::new() };
    for document in documents.iter().map(yaml::Node::to_json) {
        for (key, value) in document.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("node", Value::String(node)) => file.node = Some(tagged(node)?),
                ("images", Value::Object(images)) => {
                    for (part, image) in images {
                        file.images.insert(part.clone(), image_of(part, image)?);
                    }
                }
                ("standIns", Value::Object(images)) => {
                    for (image, other) in images {
                        let other = other.as_str().ok_or_else(|| ImagesError::StandIn { image: image.clone() })?;
                        file.stand_ins.insert(tagged(image)?, tagged(other)?);
                    }
                }
                _ => return Err(ImagesError::Key { found: key.clone() }),
            }
        }
    }
    Ok(file)
}

fn image_of(part: &str, value: &Value) -> Result<Image, ImagesError> {
    let wrong = || ImagesError::Image { part: part.to_owned() };
    let (name, program) = match value {
        Value::String(name) => (name, None),
        Value::Object(map) if map.keys().all(|it| it == "image" || it == "program") => {
            let text = |key: &str| map.get(key).map(|it| it.as_str().map(str::to_owned).ok_or_else(wrong)).transpose();
            let Some(Value::String(name)) = map.get("image") else { return Err(wrong()) };
            (name, text("program")?)
        }
        _ => return Err(wrong()),
    };
    Ok(Image { name: tagged(name)?, program })
}

fn tagged(image: &str) -> Result<String, ImagesError> {
    if split(image).1.is_empty() { Err(ImagesError::Tag { image: image.to_owned() }) } else { Ok(image.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "node: kindest/node:v1.34.3\nimages:\n  redis: my.registry:5000/redis:7\n  \
        podinfo: {image: 'my/podinfo:6.9.2', program: podinfo}\n";

    fn pod(image: &str) -> Value {
        json!({ "spec": { "containers": [{ "image": image, "command": ["./podinfo", "--port=9898"] }] } })
    }

    #[test]
    fn a_file_of_ones_own_changes_what_it_names_and_nothing_else() {
        let images = Images::default().with(OWN).unwrap();
        assert_eq!(images.node, "kindest/node:v1.34.3");
        assert_eq!(images.of("redis").unwrap().name, "my.registry:5000/redis:7");
        assert_eq!(images.of("flagger"), Images::default().of("flagger"));
    }

    #[test]
    fn containers_get_the_wanted_image_and_keep_a_tag_that_somebody_chose() {
        let images = Images::default().with(OWN).unwrap();
        for (written, expected, program) in [
            ("ghcr.io/stefanprodan/podinfo:6.9.2", "my/podinfo:6.9.2", "podinfo"),
            ("ghcr.io/stefanprodan/podinfo:6.9.1", "my/podinfo:6.9.1", "podinfo"),
            ("docker.io/library/redis:8.8.0", "my.registry:5000/redis:7", "./podinfo"),
            ("quay.io/prometheus/prometheus:v3.14.0", "quay.io/prometheus/prometheus:v3.14.0", "./podinfo"),
            ("example.com/other:1", "example.com/other:1", "./podinfo"),
        ] {
            let mut object = json!({ "spec": { "template": pod(written) } });
            images.put(&mut object);
            let container = &object["spec"]["template"]["spec"]["containers"][0];
            assert_eq!(
                (container["image"].as_str(), container["command"][0].as_str()),
                (Some(expected), Some(program))
            );
        }
    }

    #[test]
    fn the_image_of_a_data_plane_is_exchanged_in_both_its_fields() {
        let mut proxy = json!({ "kind": "NginxProxy", "spec": { "kubernetes": { "deployment": { "container": { "image": {
            "repository": "ghcr.io/nginx/nginx-gateway-fabric/nginx", "tag": "2.6.7", "pullPolicy": "IfNotPresent"
        } } } } } });
        Images::default().with("images: {nginx: 'my.registry:5000/nginx:9'}").unwrap().put(&mut proxy);
        let image = proxy.pointer(DATA_PLANE).unwrap();
        let expected = json!({ "repository": "my.registry:5000/nginx", "tag": "9", "pullPolicy": "IfNotPresent" });
        assert_eq!(*image, expected);
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_words() {
        for (text, expected) in [
            ("imges: {}", "`imges` is no key of a file of images: it has `node`, `images` and `standIns`"),
            ("images: {flager: a:1}", "there is no part `flager`; the parts are flagger, grafana, "),
            ("images: {flagger: 5}", "`flagger` is neither an image's name nor `{image: NAME, program: NAME}`"),
            ("images: {flagger: {image: a:1, tag: 2}}", "`flagger` is neither"),
            ("node: kindest/node", "`kindest/node` has no tag"),
            ("images: {redis: 'localhost:5000/redis'}", "`localhost:5000/redis` has no tag"),
        ] {
            let found = Images::default().with(text).unwrap_err().to_string();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
