//! A pack: every image of a lab in one file, for machines without a network.
//!
//! A tar in zstd of three members: `pack.json` (names, ids and sizes), `node.tar` and `images.tar` (as `docker image save`
//! writes them). It is made on the user's own machine from what their engine has; coalmine gives no images away.

use super::engine::{Engine, EngineError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, pin_mut};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// The form of a pack; raised when an older coalmine could misread it.
const VERSION: u32 = 1;
const LIST: &str = "pack.json";
const NODE: &str = "node.tar";
const IMAGES: &str = "images.tar";
/// zstd's own default: layers are compressed once more, and unpacking stays as fast as the disk.
const LEVEL: i32 = 3;
/// Of the list; it is a few kilobytes.
const MAX_LIST_BYTES: u64 = 1 << 20;
/// One piece of a member on its way to the engine.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for the engine.
const MAX_WAITING_PIECES: usize = 8;

/// What is in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackList {
    version: u32,
    /// `linux/amd64`
    pub platform: String,
    pub node: Packed,
    pub images: Vec<Packed>,
    /// The person's own file of images that it was made with: who takes the pack needs no copy of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_images: Option<String>,
}

/// What a pack is to hold.
#[derive(Debug, Clone, Copy)]
pub struct ToPack<'a> {
    /// The node's image.
    pub node: &'a str,
    pub images: &'a [String],
    /// See [`PackList::own_images`].
    pub own_images: Option<&'a str>,
}

/// One image of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    pub name: String,
    /// `sha256:…`, as the engine that it came from had it.
    pub id: String,
    /// As the engine counts it, unpacked.
    pub bytes: u64,
}

/// A pack file that can be read.
#[derive(Debug, Clone)]
pub struct Pack {
    pub path: PathBuf,
    pub list: PackList,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the engine does not have {0}: `docker pull {0}` first")]
    NoImage(String),
    #[error("{path} could not be {did}: {why}", path = path.display())]
    File { path: PathBuf, did: &'static str, why: io::Error },
    #[error("{path} is no pack: {why}. `coalmine pack -o FILE` makes one", path = path.display())]
    NoPack { path: PathBuf, why: String },
    #[error("{path} has images of {has}, and this engine runs those of {needs}: make one there", path = path.display())]
    Platform { path: PathBuf, has: String, needs: String },
    #[error("{path} lacks {image}: make it with the same --router, --grafana and --images as the lab", path = path.display())]
    Lacks { path: PathBuf, image: String },
    #[error("{path} is of version {version}, and this coalmine reads {VERSION}: make it anew", path = path.display())]
    Version { path: PathBuf, version: u32 },
}

impl Pack {
    /// Writes a pack of images that the engine has. The file appears whole or not at all. `say` hears what is being done.
    pub async fn write(
        engine: &Engine,
        what: ToPack<'_>,
        path: &Path,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, PackError> {
        let list = list(engine, what).await?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let spool = Spool::new(folder)?;
        say(&format!("saving {}", list.node.name));
        spool.save_node(engine, what.node, &list.node.name).await?;
        say(&format!("saving {} images", list.images.len()));
        let names: Vec<&str> = list.images.iter().map(|it| it.name.as_str()).collect();
        spool.save(engine, IMAGES, &names).await?;
        say("compressing");
        let (path, pack) = (path.to_owned(), list.clone());
        let task = tokio::task::spawn_blocking(move || spool.pack(&pack, &path).map(|()| path));
        let path = task.await.map_err(|why| failed(folder, "written")(io::Error::other(why)))??;
        Ok(Self { path, list })
    }

    /// Its images run on this engine.
    pub async fn fits(&self, engine: &Engine) -> Result<(), PackError> {
        let (has, needs) = (self.list.platform.clone(), engine.facts().await?.platform());
        if has == needs { Ok(()) } else { Err(PackError::Platform { path: self.path.clone(), has, needs }) }
    }

    /// Reads what is in a pack; its images stay where they are.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let no_pack = |why: String| PackError::NoPack { path: path.to_owned(), why };
        let mut tar = members(path)?;
        let first = tar.entries().and_then(|mut it| it.next().transpose()).map_err(|it| no_pack(it.to_string()))?;
        let entry = first.filter(|it| it.path().is_ok_and(|it| it == Path::new(LIST)));
        let entry = entry.ok_or_else(|| no_pack(format!("it does not begin with {LIST}")))?;
        let list: PackList =
            serde_json::from_reader(entry.take(MAX_LIST_BYTES)).map_err(|it| no_pack(format!("{LIST}: {it}")))?;
        if list.version != VERSION {
            return Err(PackError::Version { path: path.to_owned(), version: list.version });
        }
        Ok(Self { path: path.to_owned(), list })
    }

    /// The node's image, as the engine loads it.
    pub fn node(&self) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + use<> {
        self.member(NODE)
    }

    /// All other images, as a node's containerd imports them.
    pub fn images(&self) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + use<> {
        self.member(IMAGES)
    }

    /// Reading and decompressing block, so they have a thread; it ends when the stream is dropped.
    fn member(&self, name: &'static str) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + use<> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_PIECES);
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(why) = send(&path, name, &sender) {
                let what = format!("read {name} of {}", path.display());
                let _ = sender.blocking_send(Err(EngineError::Failed { what, why: why.to_string() }));
            }
        });
        ReceiverStream::new(receiver)
    }
}

async fn list(engine: &Engine, what: ToPack<'_>) -> Result<PackList, PackError> {
    let packed = async |name: &str| match engine.image(name).await? {
        Some(image) => Ok(Packed { name: name.to_owned(), id: image.id, bytes: image.bytes }),
        None => Err(PackError::NoImage(name.to_owned())),
    };
    let platform = engine.facts().await?.platform();
    let node = Packed { name: without_digest(what.node).to_owned(), ..packed(what.node).await? };
    let own_images = what.own_images.map(str::to_owned);
    let mut list = PackList { version: VERSION, platform, node, images: Vec::new(), own_images };
    for image in what.images {
        list.images.push(packed(image).await?);
    }
    Ok(list)
}

/// An engine that loads an image knows it by its tag; of which digest it was, a tar does not say.
fn without_digest(image: &str) -> &str {
    image.split_once('@').map_or(image, |(name, _)| name)
}

fn failed(path: &Path, did: &'static str) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |why| PackError::File { path, did, why }
}

fn members(path: &Path) -> Result<tar::Archive<impl Read>, PackError> {
    let file = File::open(path).map_err(failed(path, "opened"))?;
    let plain = zstd::Decoder::new(BufReader::new(file)).map_err(failed(path, "read"))?;
    Ok(tar::Archive::new(plain))
}

fn send(path: &Path, name: &str, sender: &mpsc::Sender<Result<Bytes, EngineError>>) -> Result<(), PackError> {
    let broken = |why: io::Error| PackError::NoPack { path: path.to_owned(), why: why.to_string() };
    let mut tar = members(path)?;
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.path().is_ok_and(|it| it == Path::new(name)) {
            continue;
        }
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = entry.read(&mut piece).map_err(broken)?;
            piece.truncate(read);
            if read == 0 || sender.blocking_send(Ok(piece.into())).is_err() {
                return Ok(());
            }
        }
    }
    Err(PackError::NoPack { path: path.to_owned(), why: format!("it has no {name}") })
}

/// Members on their way into a pack: a tar has to know their sizes beforehand. Gone when dropped.
struct Spool(PathBuf);

impl Spool {
    fn new(beside: &Path) -> Result<Self, PackError> {
        let folder = beside.join(format!(".coalmine-pack-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(failed(&folder, "made"))?;
        Ok(Self(folder))
    }

    async fn save(&self, engine: &Engine, member: &str, names: &[&str]) -> Result<(), PackError> {
        let path = self.0.join(member);
        let mut file = File::create(&path).map_err(failed(&path, "made"))?;
        let tar = engine.save(names);
        pin_mut!(tar);
        while let Some(bytes) = tar.next().await {
            file.write_all(&bytes?).map_err(failed(&path, "written"))?;
        }
        Ok(())
    }

    /// Under its name without the digest. An engine that has pulled it by its digest gets that name, and keeps it: Docker would
    /// take the digest's name away together with it, and the image with both.
    async fn save_node(&self, engine: &Engine, image: &str, name: &str) -> Result<(), PackError> {
        if engine.image(name).await?.is_none() {
            engine.tag(image, name).await?;
        }
        self.save(engine, NODE, &[name]).await
    }

    fn pack(&self, list: &PackList, path: &Path) -> Result<(), PackError> {
        let unfinished = self.0.join("pack");
        let file = File::create(&unfinished).map_err(failed(&unfinished, "made"))?;
        let write = || -> io::Result<()> {
            let mut tar = tar::Builder::new(zstd::Encoder::new(BufWriter::new(file), LEVEL)?);
            let text = serde_json::to_vec_pretty(list)?;
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, LIST, &text[..])?;
            for member in [NODE, IMAGES] {
                tar.append_path_with_name(self.0.join(member), member)?;
            }
            tar.into_inner()?.finish()?.flush()
        };
        write().map_err(failed(&unfinished, "written"))?;
        std::fs::rename(&unfinished, path).map_err(failed(path, "written"))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(name: &str) -> Packed {
        Packed { name: name.to_owned(), id: "sha256:00".to_owned(), bytes: 5 }
    }

    fn written(version: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.tar.zst");
        let list = PackList {
            version,
            platform: "linux/amd64".to_owned(),
            node: packed("n:1"),
            images: vec![packed("a:1")],
            own_images: None,
        };
        let spool = Spool::new(folder.path()).unwrap();
        std::fs::write(spool.0.join(NODE), "the node").unwrap();
        std::fs::write(spool.0.join(IMAGES), vec![7; 3 * PIECE_BYTES]).unwrap();
        spool.pack(&list, &path).unwrap();
        (folder, path)
    }

    async fn whole(stream: impl Stream<Item = Result<Bytes, EngineError>>) -> Vec<u8> {
        pin_mut!(stream);
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        bytes
    }

    #[tokio::test]
    async fn what_was_packed_is_read_again_and_nothing_is_left_beside_it() {
        let (folder, path) = written(VERSION);
        let pack = Pack::open(&path).unwrap();
        assert_eq!(pack.list.images, [packed("a:1")]);
        assert_eq!(whole(pack.node()).await, b"the node");
        assert_eq!(whole(pack.images()).await.len(), 3 * PIECE_BYTES);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_image_is_packed_under_its_tag() {
        for (image, name) in
            [("kindest/node:v1.35.8@sha256:07b2", "kindest/node:v1.35.8"), ("r:5000/n:1", "r:5000/n:1")]
        {
            assert_eq!(without_digest(image), name);
        }
    }

    #[tokio::test]
    async fn a_pack_that_was_cut_is_an_error_and_no_short_image() {
        let (_folder, path) = written(VERSION);
        let pack = Pack::open(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        let pieces: Vec<_> = pack.images().collect().await;
        assert!(pieces.iter().any(Result::is_err));
    }

    #[test]
    fn what_is_no_pack_is_refused_in_words() {
        let (_folder, path) = written(VERSION + 1);
        assert!(Pack::open(&path).unwrap_err().to_string().contains("is of version 2, and this coalmine reads 1"));
        std::fs::write(&path, "plain").unwrap();
        assert!(Pack::open(&path).unwrap_err().to_string().contains("is no pack"), "not zstd");
        assert!(Pack::open(Path::new("/nowhere")).unwrap_err().to_string().contains("could not be opened"));
    }
}
