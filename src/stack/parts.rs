//! The parts of a lab, each with what it needs first.

use super::{Images, StackError, objects};
use crate::install::Part;
use crate::model::object::ObjectRef;
use std::str::FromStr;
use std::time::Duration;

/// Which router carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// NGINX Gateway Fabric, through the Gateway API.
    #[default]
    NginxGateway,
    /// ingress-nginx; retired by its project in March 2026.
    IngressNginx,
    /// coalmine's own, for places where no NGINX image can be had.
    Builtin,
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::NginxGateway, Self::IngressNginx, Self::Builtin];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NginxGateway => "nginx-gateway",
            Self::IngressNginx => "ingress-nginx",
            Self::Builtin => "builtin",
        }
    }

    /// The Service that requests enter through: namespace, name, port. The Gateway's own Service is made with the demo app.
    #[must_use]
    pub fn entry(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::NginxGateway => ("test", "gateway-nginx", 80),
            Self::IngressNginx | Self::Builtin => ("ingress-nginx", "ingress-nginx-controller", 80),
        }
    }

    /// Which kustomization of the demo app fits.
    pub(super) fn app(self) -> &'static str {
        match self {
            Self::NginxGateway => "kustomization-gateway.yaml",
            Self::IngressNginx | Self::Builtin => "kustomization.yaml",
        }
    }

    fn manifest(self) -> &'static str {
        match self {
            Self::NginxGateway => "nginx-gateway/nginx-gateway.yaml",
            Self::IngressNginx => "ingress-nginx/ingress-nginx.yaml",
            Self::Builtin => "router/router.yaml",
        }
    }
}

/// Not a router's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no router: write nginx-gateway, ingress-nginx or builtin")]
pub struct NoSuchRouter(String);

impl FromStr for Profile {
    type Err = NoSuchRouter;

    fn from_str(text: &str) -> Result<Self, NoSuchRouter> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| NoSuchRouter(text.to_owned()))
    }
}

const DEFINITIONS: &str = "definitions";
/// CustomResourceDefinitions are there in seconds or never.
const DEFINED_WITHIN: Duration = Duration::from_mins(1);
/// Images may have to be pulled over a slow line.
const AVAILABLE_WITHIN: Duration = Duration::from_mins(5);
/// What keeps a Deployment from becoming available, most likely first.
const CAUSES: &[&str] = &[
    "its image cannot be pulled: look at the pod's events, and name another in a file for --images",
    "the machine has too little memory or processor: `coalmine doctor`",
];

/// What a cluster has already, and a lab there uses in place of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Theirs {
    /// Flux, in the namespace where the app's source and Kustomization go.
    pub flux: bool,
    /// The Deployment of Flagger.
    pub flagger: Option<ObjectRef>,
}

/// Flux' controllers.
pub const FLUX: [&str; 2] = ["source-controller", "kustomize-controller"];
/// Where Flux is, and what tells it of the app.
pub const FLUX_NAMESPACE: &str = "flux-system";

/// Namespaces and definitions, which everything else needs.
pub fn definitions(profile: Profile, images: &Images, theirs: &Theirs) -> Result<Part, StackError> {
    let mut files = vec!["namespaces.yaml", "podinfo/namespace.yaml", "gateway-api/crds.yaml"];
    if theirs.flagger.is_none() {
        files.push("flagger/crds.yaml");
    }
    if !theirs.flux {
        files.push("flux/crds.yaml");
    }
    if profile == Profile::NginxGateway {
        files.push("nginx-gateway/crds.yaml");
    }
    Ok(Part::of(DEFINITIONS, &[], all(&files, images)?, DEFINED_WITHIN))
}

/// Everything but the demo app, whose artifact has to be pushed before Flux can find it: it needs all of these. What is
/// theirs is waited for, and nothing of it is applied.
pub fn parts(profile: Profile, images: &Images, theirs: &Theirs) -> Result<Vec<Part>, StackError> {
    let part = |name, files: &[&str]| -> Result<Part, StackError> {
        let part = Part::of(name, &[DEFINITIONS], all(files, images)?, AVAILABLE_WITHIN);
        Ok(Part { causes: CAUSES, ..part })
    };
    let awaits = |name, awaits: Vec<ObjectRef>| Part {
        awaits,
        causes: &["it is the cluster's own, and was not ready before either: the log of its pods says why"],
        ..Part::of(name, &[DEFINITIONS], Vec::new(), AVAILABLE_WITHIN)
    };
    let flux = || FLUX.map(|it| ObjectRef::new("apps/v1", "Deployment", FLUX_NAMESPACE, it)).to_vec();
    Ok(vec![
        definitions(profile, images, theirs)?,
        part("Prometheus", &["prometheus/prometheus.yaml"])?,
        part("router", &[profile.manifest()])?,
        match &theirs.flagger {
            None => part("Flagger", &["flagger/flagger.yaml"])?,
            Some(deployment) => awaits("Flagger", vec![deployment.clone()]),
        },
        part("registry", &["registry/registry.yaml"])?,
        if theirs.flux { awaits("Flux", flux()) } else { part("Flux", &["flux/flux.yaml"])? },
    ])
}

/// Grafana, which is optional and comes last; without a network it takes an image that has been brought along.
pub fn grafana(images: &Images) -> Result<Part, StackError> {
    let objects = all(&["grafana/grafana.yaml", "grafana/dashboards.yaml"], images)?;
    Ok(Part { causes: CAUSES, ..Part::of("Grafana", &["Prometheus"], objects, AVAILABLE_WITHIN) })
}

fn all(files: &[&str], images: &Images) -> Result<Vec<serde_json::Value>, StackError> {
    let mut found = Vec::new();
    for file in files {
        found.extend(objects(file, images)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn images_of(object: &Value) -> Vec<String> {
        let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        containers.into_iter().flatten().filter_map(|it| it["image"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn every_image_of_the_manifests_is_the_default_of_a_part() {
        let images = Images::default();
        for profile in Profile::ALL {
            for part in
                parts(profile, &images, &Theirs::default()).unwrap().into_iter().chain([grafana(&images).unwrap()])
            {
                for image in part.objects.iter().flat_map(images_of) {
                    let mut marked = serde_json::json!({ "spec": { "containers": [{ "image": image }] } });
                    let own = images.names().find(|it| it.1.name == image).map(|it| it.0.to_owned());
                    let own = own.unwrap_or_else(|| panic!("{image} of {} is not in lab/images.yaml", part.name));
                    let other = Images::default().with(&format!("images: {{{own}: 'x/y:1'}}")).unwrap();
                    other.put(&mut marked);
                    assert_eq!(marked["spec"]["containers"][0]["image"], "x/y:1");
                }
            }
        }
    }

    #[test]
    fn an_object_is_in_one_part_and_its_namespace_is_there_first() {
        for profile in Profile::ALL {
            let mut seen = BTreeSet::new();
            let mut namespaces = BTreeSet::from(["default".to_owned(), "kube-system".to_owned()]);
            for object in
                parts(profile, &Images::default(), &Theirs::default()).unwrap().iter().flat_map(|it| &it.objects)
            {
                let named = crate::model::object::ObjectRef::of(object);
                if named.kind == "Namespace" {
                    namespaces.insert(named.name.clone());
                }
                assert!(named.namespace.is_empty() || namespaces.contains(&named.namespace), "{named}: no namespace");
                assert!(seen.insert(named.to_string()), "{named} is there twice");
            }
        }
    }

    #[test]
    fn of_what_is_theirs_nothing_is_applied() {
        let flagger = ObjectRef::new("apps/v1", "Deployment", "mesh", "flagger");
        let theirs = Theirs { flux: true, flagger: Some(flagger.clone()) };
        let parts = parts(Profile::Builtin, &Images::default(), &theirs).unwrap();
        for object in parts.iter().flat_map(|it| &it.objects) {
            let named = crate::model::object::ObjectRef::of(object);
            let is_theirs = ["toolkit.fluxcd.io", "flagger.app"].iter().any(|it| named.name.ends_with(it));
            assert!(!is_theirs && named.namespace != FLUX_NAMESPACE && named.name != "flagger", "{named}");
        }
        let awaited: Vec<_> = parts.iter().flat_map(|it| &it.awaits).map(ToString::to_string).collect();
        let of_flux = FLUX.map(|it| format!("Deployment {it} in flux-system"));
        assert_eq!(awaited, [&["Deployment flagger in mesh".to_owned()][..], &of_flux].concat());
    }

    #[test]
    fn a_router_is_found_by_its_name() {
        assert!(Profile::ALL.iter().all(|it| it.name().parse() == Ok(*it)));
        assert_eq!("envoy".parse::<Profile>().unwrap_err().to_string(), NoSuchRouter("envoy".to_owned()).to_string());
    }
}
