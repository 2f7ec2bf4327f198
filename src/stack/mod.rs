//! What a lab on a real cluster consists of: which objects, in which order, from which images, and the demo app as Flux
//! takes it.
//!
//! In: a router's profile, a person's own images. Out: parts for [`crate::install`], the artifact of the demo app.
//! Never: clusters, engines, sockets: everything here is data.
//!
//! The manifests are those of `manifests/`; what they are called and in which order they go is written down there too.

mod app;
mod images;
mod parts;

pub use app::{REPOSITORY, TAG, app, app_objects, ask_ours, demo_app};
pub use images::{Image, Images, ImagesError};
pub use parts::{FLUX, FLUX_NAMESPACE, NoSuchRouter, Profile, Theirs, definitions, grafana, parts};

use crate::sys::yaml::{self, Dialect, YamlError};
use include_dir::{Dir, include_dir};
use serde_json::Value;

static MANIFESTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/manifests");

/// A manifest of this binary that is missing or cannot be read: a defect of coalmine, which a test excludes.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("manifests/{0} is not in this binary")]
    Missing(String),
    #[error("manifests/{file}: {source}")]
    Yaml { file: String, source: YamlError },
    #[error("the demo app cannot be packed: {0}")]
    Pack(#[from] crate::artifact::PackError),
}

/// The text of a manifest, by its path below `manifests/`.
fn text(file: &str) -> Result<&'static str, StackError> {
    let found = MANIFESTS.get_file(file).and_then(include_dir::File::contents_utf8);
    found.ok_or_else(|| StackError::Missing(file.to_owned()))
}

/// The objects of a manifest, from the images that are wanted.
fn objects(file: &str, images: &Images) -> Result<Vec<Value>, StackError> {
    let documents = yaml::documents(text(file)?, Dialect::Kubernetes)
        .map_err(|source| StackError::Yaml { file: file.to_owned(), source })?;
    let mut objects: Vec<Value> = documents.iter().map(yaml::Node::to_json).collect();
    objects.iter_mut().for_each(|it| images.put(it));
    Ok(objects)
}
