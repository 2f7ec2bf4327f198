//! Cluster addresses of services, from 10.96.0.0/12, in the order in which they are asked for.

use super::status::{FieldError, Status};
use crate::model::object::At;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The first address that is given out; the range begins one before it.
const FIRST: u32 = u32::from_be_bytes([10, 96, 0, 1]);
/// The last one: 10.111.255.254.
const LAST: u32 = u32::from_be_bytes([10, 111, 255, 254]);
/// Node ports of services that ask for one.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Who has which address and node port.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: BTreeSet<u32>,
    /// Where the search begins, so that an address is not reused at once.
    next: u32,
    node_ports: BTreeSet<u16>,
}

impl Addresses {
    /// Gives a new service its address; one that it asks for, if it is free. What is allocated is nobody's field, so this comes
    /// after the fields have found their owners.
    pub fn assign(&mut self, service: &mut Value) -> Result<(), Status> {
        let name = service.at("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let text = |key: &str| spec.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, asked) = (text("type"), text("clusterIP"));
        if kind == "ExternalName" {
            return Ok(());
        }
        let wants_port = matches!(kind, "NodePort" | "LoadBalancer");
        let address = match asked {
            "None" => "None".to_owned(),
            "" => Ipv4Addr::from(self.free().ok_or_else(|| exhausted(&name))?).to_string(),
            asked => {
                self.take(asked).map_err(|it| {
                    Status::invalid(
                        "Service",
                        "",
                        &name,
                        vec![FieldError::invalid("spec.clusterIPs", &json!([asked]), it)],
                    )
                })?;
                asked.to_owned()
            }
        };
        // Without addresses and without a selector nothing says which families there are.
        let open = address == "None" && !spec.contains_key("selector");
        let (families, policy) =
            if open { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
        spec.entry("ipFamilies").or_insert(families);
        spec.entry("ipFamilyPolicy").or_insert_with(|| json!(policy));
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.insert("clusterIP".to_owned(), json!(address));
        if wants_port {
            self.node_ports(spec.get_mut("ports"));
        }
        Ok(())
    }

    fn free(&mut self) -> Option<u32> {
        let from = self.next.clamp(FIRST, LAST);
        let found = (from..=LAST).chain(FIRST..from).find(|it| !self.taken.contains(it))?;
        self.taken.insert(found);
        self.next = found + 1;
        Some(found)
    }

    fn take(&mut self, asked: &str) -> Result<(), &'static str> {
        // An address of another family is left alone: the range is IPv4.
        let Ok(address) = asked.parse::<Ipv4Addr>() else { return Ok(()) };
        let number = u32::from(address);
        if !(FIRST..=LAST).contains(&number) {
            return Err("failed to allocate IP: the provided network does not match the current range");
        }
        if self.taken.insert(number) { Ok(()) } else { Err("failed to allocate IP: provided IP is already allocated") }
    }

    fn node_ports(&mut self, ports: Option<&mut Value>) {
        for port in ports.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
            let asked = port.get("nodePort").and_then(Value::as_u64).and_then(|it| u16::try_from(it).ok());
            let free = || NODE_PORTS.into_iter().find(|it| !self.node_ports.contains(it));
            if let Some(number) = asked.or_else(free) {
                self.node_ports.insert(number);
                port.insert("nodePort".to_owned(), json!(number));
            }
        }
    }

    /// Takes back what a deleted service had.
    pub fn release(&mut self, service: &Value) {
        let text = service.at("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default();
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            self.taken.remove(&u32::from(address));
        }
        for port in service.at("/spec/ports").and_then(Value::as_array).into_iter().flatten() {
            if let Some(number) = port.get("nodePort").and_then(Value::as_u64).and_then(|it| u16::try_from(it).ok()) {
                self.node_ports.remove(&number);
            }
        }
    }
}

fn exhausted(name: &str) -> Status {
    Status::internal(&format!("failed to allocate a serviceIP for {name}: range is full"))
}

/// An update that does not mention the address keeps it.
pub fn keep(old: &Value, new: &mut Value) {
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return;
    }
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if let (false, Some(value)) = (spec.contains_key(key), old.get("spec").and_then(|it| it.get(key))) {
            spec.insert(key.to_owned(), value.clone());
        }
    }
}
