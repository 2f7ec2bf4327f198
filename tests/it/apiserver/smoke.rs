//! The ordinary life of objects.

use super::support::{deployment, manifest, paused, server};
use coalmine::apiserver::{DeleteOptions, ListOptions, WatchEventKind, WatchOptions, resource};
use futures_util::StreamExt;
use serde_json::json;

#[test]
fn the_manifests_of_the_lab_can_be_created() {
    paused(async {
        let api = server().api();
        let api = &api;
        for namespace in ["flagger-system", "ingress-nginx", "test"] {
            api.create(resource::NAMESPACES, "", json!({ "metadata": { "name": namespace } })).unwrap();
        }
        let files =
            ["flagger/crds.yaml", "flagger/flagger.yaml", "gateway-api/crds.yaml", "ingress-nginx/ingress-nginx.yaml"];
        let podinfo = ["deployment", "ingress", "autoscaler", "loadtester", "metric-template", "canary"];
        let podinfo = podinfo.map(|it| format!("podinfo/{it}.yaml"));
        for file in files.iter().map(|it| (*it).to_owned()).chain(podinfo) {
            for object in manifest(&format!("manifests/{file}")) {
                let text = |key: &str| object[key].as_str().unwrap().to_owned();
                let resource = api.resource_of(&text("apiVersion"), &text("kind"));
                let resource = resource.unwrap_or_else(|| panic!("no kind {} {}", text("apiVersion"), text("kind")));
                let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
                let created = api.create(&resource, &namespace, object.clone());
                assert!(created.is_ok(), "{file}: {}: {}", object["metadata"]["name"], created.unwrap_err());
            }
        }
    });
}

#[test]
fn a_watch_sees_what_happens_after_the_list_in_order() {
    paused(async {
        let server = server();
        let api = server.api();
        api.create(resource::DEPLOYMENTS, "default", deployment("a")).unwrap();
        let list = api.list(resource::DEPLOYMENTS, None, &ListOptions::default()).unwrap();
        let options = WatchOptions { resource_version: Some(list.resource_version), ..WatchOptions::default() };
        let mut watch = api.watch(resource::DEPLOYMENTS, Some("default"), options).unwrap();
        let b = api.create(resource::DEPLOYMENTS, "default", deployment("b")).unwrap();
        assert_eq!(b["spec"]["replicas"], json!(1));
        assert_eq!(b["metadata"]["generation"], json!(1));
        let mut changed = (*b).clone();
        changed["spec"]["replicas"] = json!(3);
        let changed = api.update(resource::DEPLOYMENTS, changed).unwrap();
        assert_eq!(changed["metadata"]["generation"], json!(2));
        let stale = api.update(resource::DEPLOYMENTS, (*b).clone()).unwrap_err();
        assert_eq!(
            stale.to_string(),
            "Operation cannot be fulfilled on deployments.apps \"b\": the object has been modified; please apply your \
             changes to the latest version and try again"
        );
        api.delete(resource::DEPLOYMENTS, "default", "b", &DeleteOptions::default()).unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let event = watch.next().await.unwrap();
            seen.push((event.kind, event.object["metadata"]["name"].as_str().unwrap().to_owned()));
        }
        let b = "b".to_owned();
        let wanted =
            [WatchEventKind::Added, WatchEventKind::Modified, WatchEventKind::Deleted].map(|it| (it, b.clone()));
        assert_eq!(seen, wanted);
    });
}
