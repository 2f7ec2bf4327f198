//! Lists: pages, versions, forms, and deleting what a list shows.

use super::rows::{MAPS, Table, at, labelled};
use serde_json::json;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const PARTIAL: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

pub fn table() -> Table {
    let mut t = Table::new("lists");
    let q = |query: &str| format!("{MAPS}?{query}");
    t.get("an empty list", MAPS).keep("before");
    for name in ["a", "b", "c", "d", "e"] {
        t.post("a config map", MAPS, labelled(name, json!({ "set": if name < "c" { "one" } else { "two" } })));
    }
    t.get("all of them", MAPS).keep("all");
    t.get("a page", &q("limit=2")).keep("page");
    t.get("the next", &q("limit=2&continue={page.continue}")).keep("next");
    t.get("the last", &q("limit=2&continue={next.continue}"));
    t.get("a page of a selection", &q("limit=1&labelSelector=set%3Done"));
    t.get("no limit", &q("limit=0"));
    t.get("a negative limit", &q("limit=-1"));
    t.get("a limit in words", &q("limit=two"));
    t.get("a token that is none", &q("limit=2&continue=nonsense")).code_only();
    t.get("a token and a version", &q("continue={page.continue}&resourceVersion={all.rv}"));
    t.delete("one goes", &at(MAPS, "b"));
    t.get("the page after still knows it", &q("limit=2&continue={page.continue}"));
    t.get("any version", &q("resourceVersion=0"));
    t.get("a version at least", &q("resourceVersion={all.rv}"));
    t.get("at least, in words", &q("resourceVersion={all.rv}&resourceVersionMatch=NotOlderThan"));
    t.get("exactly the version from before", &q("resourceVersion={all.rv}&resourceVersionMatch=Exact"));
    t.get("when nothing was there", &q("resourceVersion={before.rv}&resourceVersionMatch=Exact"));
    t.get("exactly any version", &q("resourceVersion=0&resourceVersionMatch=Exact"));
    t.get("a match without a version", &q("resourceVersionMatch=Exact"));
    t.get("an unknown match", &q("resourceVersion={all.rv}&resourceVersionMatch=Newest"));
    t.get("a version of the future", &q("resourceVersion=99999999&timeoutSeconds=1"));
    t.get("a version that is no number", &q("resourceVersion=new"));
    t.get("one of any version", &(at(MAPS, "a") + "?resourceVersion=0"));
    t.get("one of the future", &(at(MAPS, "a") + "?resourceVersion=99999999")).code_only();
    t.get("a table", &q("limit=1")).accept(TABLE);
    t.get("a table without objects", &q("limit=1&includeObject=None")).accept(TABLE);
    t.get("a table with whole objects", &q("limit=1&includeObject=Object")).accept(TABLE);
    t.get("a table of one", &at(MAPS, "a")).accept(TABLE);
    t.get("metadata only", &q("limit=1")).accept(PARTIAL);
    t.get("metadata of one", &at(MAPS, "a")).accept("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    t.get("a table of nothing", &at(MAPS, "none")).accept(TABLE);
    t.delete("a dry run of deleting a selection", &q("labelSelector=set%3Dtwo&dryRun=All")).code_only();
    t.delete("deleting a selection", &q("labelSelector=set%3Dtwo"));
    t.get("leaves the others", MAPS);
    t.delete("deleting all", MAPS);
    t.delete("deleting nothing", MAPS);
    t
}
