//! From the cluster's Ingresses and HTTPRoutes to the router's table.

use crate::cluster::{Client, Watched};
use crate::traffic::route::RouteTable;
use crate::traffic::router::Router;
use futures_util::StreamExt;
use serde_json::Value;
use std::collections::BTreeMap;

/// Objects of one kind, by namespace and name.
pub(super) type Objects = BTreeMap<(String, String), Value>;

/// Gives the router a new table with every change of an Ingress or HTTPRoute.
pub(crate) async fn follow_routes(cluster: Client, router: Router) {
    let watch = |api_version, kind| cluster.watch(api_version, kind, None, None);
    let mut ingresses = watch("networking.k8s.io/v1", "Ingress");
    let mut routes = watch("gateway.networking.k8s.io/v1", "HTTPRoute");
    let (mut known_ingresses, mut known_routes) = (Objects::new(), Objects::new());
    loop {
        tokio::select! {
            biased;
            Some(change) = ingresses.next() => take(&mut known_ingresses, change),
            Some(change) = routes.next() => take(&mut known_routes, change),
            else => return,
        }
        // What cannot be used is left out, as ingress-nginx does.
        let (table, _problems) = RouteTable::from_objects(known_ingresses.values(), known_routes.values());
        router.set_table(table);
    }
}

pub(super) fn take(known: &mut Objects, change: Watched) {
    let key = |it: &Value| {
        let it = crate::model::object::ObjectRef::of(it);
        (it.namespace, it.name)
    };
    match change {
        Watched::Applied(object) => {
            known.insert(key(&object), object);
        }
        Watched::Deleted(object) => {
            known.remove(&key(&object));
        }
        Watched::Restarted(objects) => *known = objects.into_iter().map(|it| (key(&it), it)).collect(),
    }
}
