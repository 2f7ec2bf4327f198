//! Label and field selectors: what they match, and what is refused in which words.

use super::support::{names, paused, server};
use coalmine::apiserver::{DeleteOptions, LabelSelector, ListOptions, resource};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_label_selector_matches() {
    let labels = json!({ "app": "web", "tier": "front", "weight": "7" });
    let cases = [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app=db", false),
        ("app!=db", true),
        ("missing!=x", true),
        ("app", true),
        ("!app", false),
        ("!missing", true),
        ("app in (web,db)", true),
        ("app in (db)", false),
        ("app notin (db)", true),
        ("missing notin (db)", true),
        ("missing in (db)", false),
        ("weight>5", true),
        ("weight<5", false),
        ("app>5", false),
        (" app = web , tier in ( front , back ) , !old ", true),
        ("app=web,tier=back", false),
    ];
    for (text, wanted) in cases {
        let selector = LabelSelector::parse(text).unwrap_or_else(|it| panic!("{text}: {it}"));
        assert_eq!(selector.matches(Some(&labels)), wanted, "{text}");
    }
}

#[test]
fn a_label_selector_that_cannot_be_read_is_refused() {
    for text in ["app=web tier", "app in web", "app in (a", "=x", "app>five", "app,", ",app", "a=b=c", "-bad=x", "a=-b"]
    {
        assert!(LabelSelector::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_a_label_selector_never_panics(text in "[a-z!=<>(),\\. /-]{0,24}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            let again = LabelSelector::parse(&selector.to_string());
            prop_assert_eq!(again.ok(), Some(selector));
        }
    }
}

#[test]
fn fields_of_each_kind_select_and_others_are_refused() {
    paused(async {
        let api = server().api();
        for (name, node) in [("a", "one"), ("b", "two")] {
            let pod = json!({
                "metadata": { "name": name },
                "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "i" }] }
            });
            api.create(resource::PODS, "default", pod).unwrap();
        }
        let list = |resource: &str, text: &str| {
            let selector = coalmine::apiserver::FieldSelector::parse(text).unwrap();
            api.list(resource, None, &ListOptions { field_selector: Some(selector), ..ListOptions::default() })
        };
        let found = |text: &str| {
            let items = list(resource::PODS, text).unwrap().items;
            items.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect::<String>()
        };
        for (text, wanted) in [
            ("spec.nodeName=one", "a"),
            ("spec.nodeName!=one", "b"),
            ("metadata.name=b", "b"),
            ("metadata.namespace=default,status.phase=Pending", "ab"),
            ("status.phase==Running", ""),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
        let refused = list(resource::DEPLOYMENTS, "spec.nodeName=one").unwrap_err();
        let message = "\"spec.nodeName\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        assert_eq!((refused.code, refused.to_string().as_str()), (400, message));
        assert_eq!(names(&api, resource::PODS), ["a", "b"]);
    });
}

#[test]
fn pages_show_one_moment_whatever_happens_between_them() {
    paused(async {
        let api = server().api();
        for name in ["a", "b", "c", "d", "e"] {
            api.create(resource::CONFIGMAPS, "default", json!({ "metadata": { "name": name } })).unwrap();
        }
        let page = |token: Option<String>| {
            api.list(
                resource::CONFIGMAPS,
                None,
                &ListOptions { limit: Some(2), continue_: token, ..Default::default() },
            )
        };
        let first = page(None).unwrap();
        assert_eq!(first.remaining, Some(3));
        api.delete(resource::CONFIGMAPS, "default", "c", &DeleteOptions::default()).unwrap();
        api.create(resource::CONFIGMAPS, "default", json!({ "metadata": { "name": "bb" } })).unwrap();
        let second = page(first.continue_).unwrap();
        let third = page(second.continue_.clone()).unwrap();
        let seen: Vec<_> = [&first.items, &second.items, &third.items]
            .into_iter()
            .flatten()
            .map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        assert_eq!((third.continue_, third.resource_version), (None, first.resource_version));
    });
}

#[test]
fn a_page_of_a_forgotten_moment_is_gone() {
    paused(async {
        let server = server();
        let api = server.api();
        for name in ["a", "b", "c"] {
            api.create(resource::CONFIGMAPS, "default", json!({ "metadata": { "name": name } })).unwrap();
        }
        let options = ListOptions { limit: Some(1), ..ListOptions::default() };
        let first = api.list(resource::CONFIGMAPS, None, &options).unwrap();
        api.delete(resource::CONFIGMAPS, "default", "a", &DeleteOptions::default()).unwrap();
        server.compact();
        let gone =
            api.list(resource::CONFIGMAPS, None, &ListOptions { continue_: first.continue_, ..options }).unwrap_err();
        assert_eq!((gone.code, gone.reason.as_str()), (410, "Expired"));
    });
}
