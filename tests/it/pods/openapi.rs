//! The documents beside those of kube-apiserver: types, fields, and how they merge.

use super::arms::{Answer, Ask, Real, ask_ours, get, ours};
use coalmine::apiserver::Server;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Groups of built-in kinds, and one with a CRD.
const GROUPS: [&str; 6] = [
    "api/v1",
    "apis/apps/v1",
    "apis/batch/v1",
    "apis/networking.k8s.io/v1",
    "apis/autoscaling/v2",
    "apis/flagger.app/v1beta1",
];

/// What a field says beside its description. Defaults that are nothing are left out, and so is `atomic`, which is what a
/// list without a word is.
fn essence(property: &Value) -> Value {
    let mut property = property.clone();
    let Some(map) = property.as_object_mut() else { return property };
    for key in ["description", "default", "x-kubernetes-unions"] {
        map.remove(key);
    }
    map.retain(|key, value| key != "x-kubernetes-list-type" || value != "atomic");
    map.retain(|key, value| key != "x-kubernetes-map-type" || value != "granular");
    if let Some(reference) = map.remove("allOf") {
        map.insert("$ref".to_owned(), reference[0]["$ref"].clone());
    }
    for key in ["items", "additionalProperties"] {
        if let Some(below) = map.get(key).map(essence) {
            map.insert(key.to_owned(), below);
        }
    }
    map.sort_keys();
    property
}

/// `io.k8s.api.apps.v1.DeploymentSpec.replicas` and what it says.
fn fields(document: &Value, kinds: &[&str]) -> BTreeMap<String, Value> {
    let schemas = &document["components"]["schemas"];
    let mut waiting: Vec<String> = kinds.iter().map(|it| (*it).to_owned()).collect();
    let (mut seen, mut fields) = (BTreeSet::new(), BTreeMap::new());
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let schema = &schemas[&name];
        let mut required: Vec<_> = schema["required"].as_array().into_iter().flatten().cloned().collect();
        required.sort_by_key(Value::to_string);
        fields.insert(
            format!("{name} is"),
            essence(&json!({
                "type": schema["type"], "required": required, "oneOf": schema["oneOf"], "format": schema["format"],
                "x-kubernetes-map-type": schema["x-kubernetes-map-type"],
            })),
        );
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let text = property.to_string();
            let references = text.split("#/components/schemas/").skip(1).filter_map(|it| it.split('"').next());
            waiting.extend(references.map(str::to_owned));
            fields.insert(format!("{name}.{field}"), essence(property));
        }
    }
    fields
}

/// The types of the kinds that a document is about.
fn kinds(document: &Value) -> Vec<&str> {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let own = |it: &Value| it["x-kubernetes-group-version-kind"].as_array().is_some_and(|it| it.len() == 1);
    schemas.iter().filter(|(_, it)| own(it)).map(|(name, _)| name.as_str()).collect()
}

fn crd() -> Value {
    let text = include_str!("../../../manifests/flagger/crds.yaml");
    let documents: Vec<Value> = serde_saphyr::from_str_multiple_with_options(text, serde_saphyr::options! {}).unwrap();
    documents.into_iter().find(|it| it["spec"]["names"]["kind"] == "Canary").unwrap()
}

async fn document(server: &Server, path: &str) -> Value {
    let Answer { code, body, .. } = ask_ours(server, &get(format!("/openapi/v3/{path}"))).await;
    assert_eq!(code, 200, "{path}");
    body
}

fn define(server: &Server) {
    server.api().create("customresourcedefinitions.apiextensions.k8s.io", "", crd()).unwrap();
}

#[tokio::test]
async fn types_fields_and_merge_rules_are_those_of_the_real_server() {
    let Some(real) = Real::start().await else { return };
    let server = ours();
    define(&server);
    let ask =
        Ask { method: "POST", ..super::arms::post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd()) };
    assert_eq!(real.ask(&ask).await.code, 201);
    let published = async {
        while real.ask(&get("/openapi/v3/apis/flagger.app/v1beta1")).await.code != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), published).await.expect("the CRD's document is published");
    let mut wrong = Vec::new();
    for group in GROUPS {
        let found = document(&server, group).await;
        let wanted = real.ask(&get(format!("/openapi/v3/{group}"))).await.body;
        let kinds = kinds(&found);
        assert!(kinds.len() >= 2, "{group}: {kinds:?}");
        let (found, wanted) = (fields(&found, &kinds), fields(&wanted, &kinds));
        let names: BTreeSet<_> = found.keys().chain(wanted.keys()).collect();
        for name in names {
            if found.get(name) != wanted.get(name) {
                wrong.push(format!("{group} {name}\n  real {:?}\n  ours {:?}", wanted.get(name), found.get(name)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_reference_leads_somewhere_in_both_documents() {
    let server = ours();
    define(&server);
    let index = ask_ours(&server, &get("/openapi/v3")).await.body;
    let index: Value = index.as_str().map_or(index.clone(), |it| serde_json::from_str(it).unwrap());
    for (address, entry) in index["paths"].as_object().unwrap() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let page = ask_ours(&server, &get(url)).await;
        assert_eq!(page.code, 200, "{address}");
        check_references(&page.body.to_string(), "#/components/schemas/", &page.body["components"]["schemas"]);
    }
    let v2 = ask_ours(&server, &get("/openapi/v2")).await.body;
    check_references(&v2.to_string(), "#/definitions/", &v2["definitions"]);
    assert!(v2["definitions"]["app.flagger.v1beta1.Canary"].is_object());
}

fn check_references(text: &str, prefix: &str, types: &Value) {
    for name in text.split(prefix).skip(1).filter_map(|it| it.split('"').next()) {
        assert!(types[name].is_object(), "{name} is used and not there");
    }
}

#[tokio::test]
async fn an_address_with_a_digest_follows_the_definition() {
    let server = ours();
    define(&server);
    let address = async |server: &Server| {
        let index = ask_ours(server, &get("/openapi/v3")).await.body;
        index["paths"]["apis/flagger.app/v1beta1"]["serverRelativeURL"].as_str().unwrap().to_owned()
    };
    let before = address(&server).await;
    assert_eq!(before, address(&server).await);
    assert_eq!(ask_ours(&server, &get(&before)).await.code, 200);
    let mut changed = crd();
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["fresh"] =
        json!({ "type": "string", "description": "is new" });
    changed["metadata"]["name"] = json!("canaries.flagger.app");
    server.api().update("customresourcedefinitions.apiextensions.k8s.io", changed).unwrap();
    assert_ne!(before, address(&server).await);
    assert_eq!(ask_ours(&server, &get(&before)).await.code, 301);
    let document = document(&server, "apis/flagger.app/v1beta1").await;
    let schema = &document["components"]["schemas"]["app.flagger.v1beta1.Canary"];
    assert_eq!(schema["properties"]["spec"]["properties"]["fresh"]["description"], "is new");
}
