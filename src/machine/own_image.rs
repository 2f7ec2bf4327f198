//! This program as an image: itself and the few libraries that it needs, for labs that run coalmine's own router. No base
//! image, no registry, no `docker build`; it goes straight into a node.

use super::{Environment, Tool};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tar::{Builder, Header};

/// A larger program is not put into memory.
const MAX_BYTES: u64 = 1 << 30;
/// For `ldd`, which reads the program's head.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// Where the program lies in the image.
const INSIDE: &str = "usr/local/bin/coalmine";
/// Nobody.
const USER: &str = "65534:65534";

#[derive(Debug, thiserror::Error)]
pub enum OwnImageError {
    #[error(
        "this coalmine is a program of {0}, and a node needs one of linux: build lab/Dockerfile, and name its image in a file for --images"
    )]
    NotLinux(&'static str),
    #[error("{path} could not be put into an image: {why}", path = path.display())]
    File { path: PathBuf, why: io::Error },
    #[error("the image could not be made: {0}")]
    Archive(#[from] io::Error),
}

/// A tar as `docker image save` writes it, of an image called `name` (its whole name, with tag) for `linux/ARCHITECTURE` of
/// this machine.
pub async fn own_image(name: &str, environment: &Environment) -> Result<Vec<u8>, OwnImageError> {
    image_of(&std::env::current_exe()?, name, environment).await
}

/// [`own_image`] of a coalmine that is not this process.
pub async fn image_of(program: &Path, name: &str, environment: &Environment) -> Result<Vec<u8>, OwnImageError> {
    if std::env::consts::OS != "linux" {
        return Err(OwnImageError::NotLinux(std::env::consts::OS));
    }
    let mut files = vec![(program.to_owned(), PathBuf::from(INSIDE))];
    files.extend(libraries(program, environment).await.into_iter().map(|it| (it.clone(), relative(&it))));
    let layer = layer(&files)?;
    Ok(archive(name, architecture(), &layer)?)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

/// The dynamic linker and what it would load. A static program needs none, and `ldd` says so by failing.
async fn libraries(program: &Path, environment: &Environment) -> Vec<PathBuf> {
    let Ok(ldd) = Tool::find("ldd", environment, "") else { return Vec::new() };
    let listed = ldd.ask(&[&program.display().to_string()], LISTED_WITHIN).await;
    listed.map(|it| parse_ldd(&it.stdout)).unwrap_or_default()
}

/// `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`, and `/lib64/ld-linux-x86-64.so.2 (0x…)`
fn parse_ldd(printed: &str) -> Vec<PathBuf> {
    let paths = printed.lines().filter_map(|line| line.split_whitespace().find(|it| it.starts_with('/')));
    paths.map(PathBuf::from).collect()
}

fn layer(files: &[(PathBuf, PathBuf)]) -> Result<Vec<u8>, OwnImageError> {
    let mut layer = Builder::new(Vec::new());
    for (from, to) in files {
        let failed = |why| OwnImageError::File { path: from.clone(), why };
        let size = std::fs::metadata(from).map_err(failed)?.len();
        if size > MAX_BYTES {
            return Err(failed(io::Error::other("it is larger than 1 GiB")));
        }
        let bytes = std::fs::read(from).map_err(failed)?;
        append(&mut layer, to, &bytes, 0o755).map_err(failed)?;
    }
    Ok(layer.into_inner()?)
}

/// The same bytes each time: no times, no owners.
fn append(tar: &mut Builder<Vec<u8>>, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    tar.append_data(&mut header, path, bytes)
}

/// Docker's archive of one image with one layer.
fn archive(name: &str, architecture: &str, layer: &[u8]) -> io::Result<Vec<u8>> {
    let layer_digest = hex(layer);
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [format!("/{INSIDE}")], "User": USER, "Env": ["PATH=/usr/local/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        "history": [{"created_by": "coalmine"}],
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", hex(&config));
    let layer_name = format!("{layer_digest}/layer.tar");
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]);
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, Path::new("manifest.json"), &serde_json::to_vec(&manifest)?, 0o644)?;
    append(&mut tar, Path::new(&config_name), &config, 0o644)?;
    append(&mut tar, Path::new(&layer_name), layer, 0o644)?;
    tar.into_inner()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_libraries_are_those_that_ldd_finds() {
        let printed = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_ldd(printed), expected);
        assert!(parse_ldd("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn the_archive_names_its_image_and_its_digests_are_true() {
        let layer = layer(&[(std::env::current_exe().unwrap(), PathBuf::from(INSIDE))]).unwrap();
        let tar = archive("docker.io/library/coalmine:1", "amd64", &layer).unwrap();
        assert_eq!(tar, archive("docker.io/library/coalmine:1", "amd64", &layer).unwrap(), "the same bytes each time");
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&files[name]).unwrap();
        let manifest = &json("manifest.json")[0];
        assert_eq!(manifest["RepoTags"][0], "docker.io/library/coalmine:1");
        let config = json(manifest["Config"].as_str().unwrap());
        let layer = &files[manifest["Layers"][0].as_str().unwrap()];
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(layer)));
    }
}
