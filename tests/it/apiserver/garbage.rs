//! What goes with what: owners, finalizers, namespaces, grace periods.

use super::support::{deployment, names, owned, paused, server};
use coalmine::apiserver::{DeleteOptions, Propagation, resource};
use serde_json::json;

fn delete(propagation: Propagation) -> DeleteOptions {
    DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() }
}

#[test]
fn dependents_go_with_their_last_owner() {
    paused(async {
        let api = server().api();
        let a = api.create(resource::DEPLOYMENTS, "default", deployment("a")).unwrap();
        let b = api.create(resource::DEPLOYMENTS, "default", deployment("b")).unwrap();
        api.create(resource::CONFIGMAPS, "default", owned("of-a", &[(&a, false)])).unwrap();
        api.create(resource::CONFIGMAPS, "default", owned("of-both", &[(&a, false), (&b, false)])).unwrap();
        api.delete(resource::DEPLOYMENTS, "default", "a", &delete(Propagation::Background)).unwrap();
        assert_eq!(names(&api, resource::CONFIGMAPS), ["of-both"]);
        let left = api.get(resource::CONFIGMAPS, "default", "of-both").unwrap();
        assert_eq!(left["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
        api.delete(resource::DEPLOYMENTS, "default", "b", &delete(Propagation::Background)).unwrap();
        assert_eq!(names(&api, resource::CONFIGMAPS), [""; 0]);
    });
}

#[test]
fn orphans_stay_and_lose_their_owner() {
    paused(async {
        let api = server().api();
        let a = api.create(resource::DEPLOYMENTS, "default", deployment("a")).unwrap();
        api.create(resource::CONFIGMAPS, "default", owned("child", &[(&a, true)])).unwrap();
        api.delete(resource::DEPLOYMENTS, "default", "a", &delete(Propagation::Orphan)).unwrap();
        assert_eq!(names(&api, resource::DEPLOYMENTS), [""; 0]);
        let child = api.get(resource::CONFIGMAPS, "default", "child").unwrap();
        assert_eq!(child["metadata"].get("ownerReferences"), None);
    });
}

#[test]
fn a_foreground_deletion_waits_for_the_dependents_that_block() {
    paused(async {
        let api = server().api();
        let a = api.create(resource::DEPLOYMENTS, "default", deployment("a")).unwrap();
        let mut child = owned("child", &[(&a, true)]);
        child["metadata"]["finalizers"] = json!(["example.com/held"]);
        api.create(resource::CONFIGMAPS, "default", child).unwrap();
        api.delete(resource::DEPLOYMENTS, "default", "a", &delete(Propagation::Foreground)).unwrap();
        let waiting = api.get(resource::DEPLOYMENTS, "default", "a").unwrap();
        assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
        let mut child = (*api.get(resource::CONFIGMAPS, "default", "child").unwrap()).clone();
        assert!(child["metadata"]["deletionTimestamp"].is_string(), "{child}");
        child["metadata"]["finalizers"] = json!([]);
        api.update(resource::CONFIGMAPS, child).unwrap();
        assert_eq!(names(&api, resource::CONFIGMAPS), [""; 0]);
        assert_eq!(names(&api, resource::DEPLOYMENTS), [""; 0]);
    });
}

#[test]
fn an_object_whose_owner_is_not_there_does_not_last() {
    paused(async {
        let api = server().api();
        let ghost =
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x", "uid": "gone" } });
        api.create(resource::CONFIGMAPS, "default", owned("child", &[(&ghost, false)])).unwrap();
        assert_eq!(names(&api, resource::CONFIGMAPS), [""; 0]);
    });
}

#[test]
fn a_namespace_takes_its_content_along_and_waits_for_it() {
    paused(async {
        let api = server().api();
        api.create(resource::NAMESPACES, "", json!({ "metadata": { "name": "test" } })).unwrap();
        let mut held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/held"] } });
        api.create(resource::CONFIGMAPS, "test", json!({ "metadata": { "name": "free" } })).unwrap();
        api.create(resource::CONFIGMAPS, "test", held.clone()).unwrap();
        api.delete(resource::NAMESPACES, "", "test", &DeleteOptions::default()).unwrap();
        assert_eq!(names(&api, resource::CONFIGMAPS), ["held"]);
        assert_eq!(api.get(resource::NAMESPACES, "", "test").unwrap()["status"]["phase"], json!("Terminating"));
        let refused = api.create(resource::CONFIGMAPS, "test", json!({ "metadata": { "name": "late" } })).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "configmaps \"late\" is forbidden: unable to create new content in namespace test because it is being \
             terminated"
        );
        held["metadata"]["namespace"] = json!("test");
        held["metadata"]["finalizers"] = json!([]);
        api.update(resource::CONFIGMAPS, held).unwrap();
        assert_eq!(api.get(resource::NAMESPACES, "", "test").unwrap_err().to_string(), "namespaces \"test\" not found");
    });
}

#[test]
fn a_pod_that_runs_gets_its_grace_period() {
    paused(async {
        let api = server().api();
        let pod = json!({
            "metadata": { "name": "p" },
            "spec": { "nodeName": "n", "terminationGracePeriodSeconds": 7, "containers": [{ "name": "c", "image": "i" }] }
        });
        api.create(resource::PODS, "default", pod).unwrap();
        let going = api.delete(resource::PODS, "default", "p", &DeleteOptions::default()).unwrap();
        assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], json!(7));
        assert_eq!(going["metadata"]["deletionTimestamp"], json!("2026-01-01T00:00:07Z"));
        assert_eq!(names(&api, resource::PODS), ["p"]);
        let now = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        api.delete(resource::PODS, "default", "p", &now).unwrap();
        assert_eq!(names(&api, resource::PODS), [""; 0]);
    });
}
