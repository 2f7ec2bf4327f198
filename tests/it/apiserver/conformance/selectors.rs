//! Label and field selectors.

use super::rows::{MAPS, PODS, Table, labelled, pod, with};
use serde_json::json;

pub fn table() -> Table {
    let mut t = Table::new("selectors");
    let labels = |text: &str| format!("{MAPS}?labelSelector={text}");
    let fields = |text: &str| format!("{PODS}?fieldSelector={text}");
    t.post("one", MAPS, labelled("a", json!({ "app": "web", "tier": "1" })));
    t.post("two", MAPS, labelled("b", json!({ "app": "web", "tier": "2" })));
    t.post("three", MAPS, labelled("c", json!({ "app": "db" })));
    t.get("equal", &labels("app%3Dweb"));
    t.get("equal twice", &labels("app%3D%3Dweb,tier%3D2"));
    t.get("not equal", &labels("app!%3Dweb"));
    t.get("in", &labels("tier%20in%20(1,2,3)"));
    t.get("not in", &labels("tier%20notin%20(1)"));
    t.get("there", &labels("tier"));
    t.get("not there", &labels("!tier"));
    t.get("greater", &labels("tier%3E1"));
    t.get("less", &labels("tier%3C2"));
    t.get("greater than a word", &labels("tier%3Ex"));
    t.get("nothing", &labels(""));
    t.get("an empty value", &labels("app%3D"));
    t.get("two words", &labels("a%20b"));
    t.get("a bad key", &labels("A%20B%3D1"));
    t.get("a bad value", &labels("a%3D-x-"));
    t.get("an open list", &labels("a%20in%20(1"));
    t.get("an empty list", &labels("a%20in%20()"));
    t.get("a comma too many", &labels("a,,b"));
    t.get("a comma at the end", &labels("a,"));
    t.post("a pod", PODS, with(pod("p"), "/spec/nodeName", json!("n1")));
    t.post("another", PODS, pod("q"));
    t.get("by name", &fields("metadata.name%3Dp"));
    t.get("by namespace", &fields("metadata.namespace%3Dselectors"));
    t.get("by node", &fields("spec.nodeName%3Dn1"));
    t.get("by phase", &fields("status.phase%3DPending"));
    t.get("by another phase", &fields("status.phase!%3DPending"));
    t.get("an unknown field", &fields("spec.x%3Dy"));
    t.get("no operator", &fields("metadata.name"));
    t.get("a field of another kind", &format!("{MAPS}?fieldSelector=spec.nodeName%3Dx"));
    t
}
