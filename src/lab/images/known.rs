//! Which images the lab's registry has.

use crate::workload::runtime::PullError;

/// What stands behind an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image<'a> {
    Podinfo { version: &'a str },
    LoadTester,
    Flagger,
    IngressNginx,
    Prometheus,
}

/// Looks an image up as its registry would. podinfo has every released-looking tag (`6.9.2`): versions of it are what
/// scenarios release; anything else that is not listed is not found.
pub(crate) fn find(image: &str) -> Result<Image<'_>, PullError> {
    let not_found = || PullError::NotFound { image: image.to_owned() };
    let (repository, tag) = image.split('@').next().and_then(|it| it.rsplit_once(':')).ok_or_else(not_found)?;
    match repository.strip_prefix("docker.io/").unwrap_or(repository) {
        "ghcr.io/stefanprodan/podinfo" | "stefanprodan/podinfo" if is_release(tag) => {
            Ok(Image::Podinfo { version: tag })
        }
        "ghcr.io/fluxcd/flagger-loadtester" if is_release(tag) => Ok(Image::LoadTester),
        "ghcr.io/fluxcd/flagger" if is_release(tag) => Ok(Image::Flagger),
        "registry.k8s.io/ingress-nginx/controller" if is_release(tag) => Ok(Image::IngressNginx),
        "quay.io/prometheus/prometheus" | "prom/prometheus" if is_release(tag) => Ok(Image::Prometheus),
        _ => Err(not_found()),
    }
}

/// `6.9.2` or `v1.15.1`: three numbers.
fn is_release(tag: &str) -> bool {
    let numbers: Vec<&str> = tag.strip_prefix('v').unwrap_or(tag).split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_tags_are_there_and_others_are_not() {
        for image in ["ghcr.io/stefanprodan/podinfo:6.9.2", "docker.io/stefanprodan/podinfo:6.14.1@sha256:00"] {
            assert!(matches!(find(image), Ok(Image::Podinfo { .. })), "{image}");
        }
        assert_eq!(find("registry.k8s.io/ingress-nginx/controller:v1.15.1"), Ok(Image::IngressNginx));
        for image in ["ghcr.io/stefanprodan/podinfo:nope", "ghcr.io/stefanprodan/podinfo", "redis:7.0.0", "", ":", "@"]
        {
            assert!(matches!(find(image), Err(PullError::NotFound { .. })), "{image}");
        }
    }
}
