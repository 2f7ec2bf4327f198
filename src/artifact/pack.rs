//! From files to an image. The same files and origin give the same bytes, so the same digest, on every machine.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Component, Path};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
const LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
/// Who may do what with a file of the layer: all may read it.
const FILE_MODE: u32 = 0o644;

/// Bytes with what they are and what they are called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub media_type: &'static str,
    pub bytes: Bytes,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { media_type, bytes: bytes.into(), digest }
    }

    fn descriptor(&self) -> serde_json::Value {
        json!({ "mediaType": self.media_type, "size": self.bytes.len(), "digest": self.digest })
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Where the files come from, as Flux shows it in `status.artifact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A URL, or a name for what has none.
    pub source: String,
    /// `main@sha1:<commit>`, or whatever tells one version from the next.
    pub revision: String,
    /// The epoch where the same files shall give the same digest at another time.
    pub created: Timestamp,
}

/// An image of one layer, ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub config: Blob,
    pub layer: Blob,
    pub manifest: Blob,
}

/// Why files cannot become an artifact.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(
        "`{0}` cannot be a file's path in an artifact: it has to be relative, below the root and at most 100 bytes long"
    )]
    Path(String),
    #[error("the archive cannot be written: {0}")]
    Archive(#[from] io::Error),
}

impl Artifact {
    /// Packs files by their paths below the artifact's root, such as `kustomization.yaml` or `base/deployment.yaml`.
    pub fn pack(files: &BTreeMap<String, Bytes>, origin: &Origin) -> Result<Self, PackError> {
        let archive = archive(files)?;
        // A configuration says what the layer unpacks to; clients that unpack images check it.
        let rootfs = json!({ "type": "layers", "diff_ids": [digest(&archive)] });
        let config = json!({ "created": origin.created.to_string(), "architecture": "", "os": "", "config": {}, "rootfs": rootfs });
        let config = Blob::new(CONFIG, config.to_string().into_bytes());
        let layer = Blob::new(LAYER, compressed(&archive)?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
            "annotations": {
                "org.opencontainers.image.created": origin.created.to_string(),
                "org.opencontainers.image.source": origin.source,
                "org.opencontainers.image.revision": origin.revision,
            }
        });
        Ok(Self { manifest: Blob::new(MANIFEST, manifest.to_string().into_bytes()), config, layer })
    }
}

fn archive(files: &BTreeMap<String, Bytes>) -> Result<Vec<u8>, PackError> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, contents) in files {
        let below_root = Path::new(path).components().all(|it| matches!(it, Component::Normal(_)));
        let mut header = tar::Header::new_ustar();
        if path.is_empty() || !below_root || header.set_path(path).is_err() {
            return Err(PackError::Path(path.clone()));
        }
        header.set_size(contents.len() as u64);
        header.set_mode(FILE_MODE);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        archive.append(&header, contents.as_ref())?;
    }
    Ok(archive.into_inner()?)
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // The encoder's header has no time and no file name.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use serde_json::Value;
    use std::io::Read;

    fn files() -> BTreeMap<String, Bytes> {
        let files = [("kustomization.yaml", "resources: [base/cm.yaml]\n"), ("base/cm.yaml", "kind: ConfigMap\n")];
        files.map(|(path, text)| (path.to_owned(), Bytes::from_static(text.as_bytes()))).into()
    }

    fn origin() -> Origin {
        Origin { source: "coalmine".into(), revision: "main@sha1:abc".into(), created: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_layer_unpacks_to_the_files() {
        let artifact = Artifact::pack(&files(), &origin()).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(artifact.layer.bytes.as_ref()));
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            assert_eq!((entry.header().mode().unwrap(), entry.header().mtime().unwrap()), (0o644, 0));
            found.insert(path, Bytes::from(text));
        }
        assert_eq!(found, files());
    }

    #[test]
    fn the_manifest_names_its_blobs_and_its_origin() {
        let artifact = Artifact::pack(&files(), &origin()).unwrap();
        let manifest: Value = serde_json::from_slice(&artifact.manifest.bytes).unwrap();
        assert_eq!(manifest["layers"][0]["digest"], artifact.layer.digest.as_str());
        assert_eq!(manifest["layers"][0]["size"], artifact.layer.bytes.len());
        assert_eq!(manifest["config"]["digest"], artifact.config.digest.as_str());
        assert_eq!(manifest["annotations"]["org.opencontainers.image.revision"], "main@sha1:abc");
        assert_eq!(manifest["annotations"]["org.opencontainers.image.created"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_same_files_give_the_same_digest_and_others_another() {
        let digest = |files: &BTreeMap<String, Bytes>| Artifact::pack(files, &origin()).unwrap().manifest.digest;
        assert_eq!(digest(&files()), digest(&files()));
        let mut more = files();
        more.insert("new.yaml".into(), Bytes::from_static(b"{}"));
        assert_ne!(digest(&files()), digest(&more));
    }

    #[test]
    fn a_path_outside_the_root_is_refused() {
        for path in ["", "/etc/passwd", "../up", "a/../../b", "./x", &"a".repeat(300)] {
            let files = BTreeMap::from([(path.to_owned(), Bytes::new())]);
            assert!(matches!(Artifact::pack(&files, &origin()), Err(PackError::Path(_))), "{path}");
        }
    }
}
