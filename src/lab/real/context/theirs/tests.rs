use super::*;
use crate::stack::Images;
use serde_json::json;

fn deployment(name: &str, namespace: &str, image: &str, args: &[&str]) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace}, "spec": {"template": {"spec": {"containers": [
        {"image": "example.com/sidecar:1"}, {"image": image, "args": args}]}}}})
}

fn flagger(args: &[&str]) -> Vec<Value> {
    vec![deployment("flagger", "mesh", "ghcr.io/fluxcd/flagger:1.44.0", args)]
}

fn flux(namespace: &str, args: &[&str]) -> Vec<Value> {
    FLUX.iter().map(|it| deployment(it, namespace, &format!("ghcr.io/fluxcd/{it}:v1.7.3@sha256:a"), args)).collect()
}

fn definitions(names: &[&str]) -> Vec<Value> {
    names.iter().map(|it| json!({"metadata": {"name": it}})).collect()
}

/// What is used, or why not; and what is said.
fn found(deployments: &[Value], definitions: &[Value], uses: [bool; 2]) -> (Result<Theirs, String>, String) {
    let (images, mut notes) = (Images::default(), Vec::new());
    let [use_flux, use_flagger] = uses;
    let profile = Profile::IngressNginx;
    let wish = Wish { lab: "context", images: &images, profile, grafana: false, use_flux, use_flagger };
    let found = find(deployments, definitions, &wish, &mut notes);
    (found.map_err(|it| it.to_string()), notes.join("\n"))
}

#[test]
fn what_a_cluster_has_already_is_refused_until_it_is_to_be_used() {
    let nothing = Theirs::default();
    let in_mesh = Some(ObjectRef::new("apps/v1", "Deployment", "mesh", "flagger"));
    let (used_flagger, used_flux) = (Theirs { flux: false, flagger: in_mesh }, Theirs { flux: true, flagger: None });
    let other = vec![deployment("flagger-loadtester", "test", "ghcr.io/fluxcd/flagger-loadtester:0.38.0", &[])];
    let none = [false, false];
    for (why, deployments, defined, uses, expected) in [
        ("an empty cluster", vec![], vec![], none, Ok(&nothing)),
        ("a load tester is no Flagger", other, definitions(&["toys.demo.io"]), none, Ok(&nothing)),
        (
            "Flagger",
            flagger(&[]),
            vec![],
            none,
            Err("the cluster has Flagger already (flagger 1.44.0 in mesh). `--use-existing flagger`"),
        ),
        (
            "Flux",
            flux("flux-system", &[]),
            vec![],
            none,
            Err("the cluster has Flux already (source-controller v1.7.3 in flux-system, kust"),
        ),
        (
            "its definitions alone",
            vec![],
            definitions(&["canaries.flagger.app", "x.flagger.app"]),
            none,
            Err(
                "the cluster has definitions of Flagger (canaries.flagger.app x.flagger.app), and no Flagger that runs. Where nobody needs them: kubectl delete crd canaries",
            ),
        ),
        (
            "what is to be used and is not there",
            vec![],
            vec![],
            [false, true],
            Err("there is no Flagger that could be used"),
        ),
        (
            "a Flagger that is to be used",
            flagger(&[]),
            definitions(&["canaries.flagger.app"]),
            [false, true],
            Ok(&used_flagger),
        ),
        ("a Flux that is to be used", flux("flux-system", &[]), vec![], [true, false], Ok(&used_flux)),
    ] {
        match (found(&deployments, &defined, uses).0, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, *expected, "{why}"),
            (Err(text), Err(expected)) => assert!(text.contains(expected), "{why}: {text}"),
            (other, _) => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn a_flagger_or_flux_that_could_not_decide_the_labs_releases_is_not_used() {
    let two = [flagger(&[]), vec![deployment("flagger", "other", "my/flagger:1", &[])]].concat();
    for (deployments, uses, expected) in [
        (flagger(&["-namespace=prod"]), [false, true], "it looks at the namespace prod only"),
        (flagger(&["-mesh-provider=linkerd"]), [false, true], "its checks ask Linkerd's metrics, whatever"),
        (flagger(&["-selector-labels", "name,k8s-app"]), [false, true], "it selects pods by name,k8s-app"),
        (flagger(&["--ingress-annotations-prefix=custom.io"]), [false, true], "it writes annotations with custom.io"),
        (two, [false, true], "there are several (flagger 1.44.0 in mesh, flagger 1 in other)"),
        (flux("gitops", &[]), [true, false], "source-controller is not in flux-system"),
        (
            flux("flux-system", &["--default-service-account=default"]),
            [true, false],
            "acts as the service account `default`",
        ),
    ] {
        let text = found(&deployments, &[], uses).0.unwrap_err();
        assert!(text.contains("cannot be used") && text.contains(expected), "{text}");
    }
}

#[test]
fn how_their_flagger_is_set_up_is_said() {
    let args = ["-namespace=", "-selector-labels=app,name", "-mesh-provider=contour", "-metrics-server=http://p:9090"];
    let (found, notes) = found(&flagger(&args), &[], [false, true]);
    assert!(found.is_ok(), "{found:?}");
    let expected = "uses flagger 1.44.0 in mesh; its provider is contour and it asks http://p:9090: the lab's Canaries name the \
        lab's router and Prometheus";
    assert_eq!(notes, expected);
}
