//! What is there after the runs. Grafana's panels: no image of Grafana is needed to ask its cluster's Prometheus what they ask.

use super::support::Coalmine;
use crate::dashboards::{self, Query, has_data};
use coalmine::lab::{Address, Reach};
use serde_json::Value;

/// How the lab's Kubernetes API is reached, and where its Prometheus is.
pub fn reach(coalmine: &Coalmine<'_>, lab: &str) -> (Reach, Address) {
    let env = coalmine.run(&["env", "--lab", lab, "-o", "json"]);
    let env: Value = serde_json::from_slice(&env.stdout).unwrap();
    let text = |name: &str| env[name].as_str().unwrap().to_owned();
    let reach = Reach {
        name: lab.to_owned(),
        kubeconfig: Some(text("KUBECONFIG").into()),
        context: Some(text("COALMINE_CONTEXT")),
        ..Reach::default()
    };
    (reach, text("COALMINE_PROMETHEUS").parse().unwrap())
}

/// No run left its Job; every query of every panel gave data in the last quarter of an hour, for one of these namespaces at least.
pub fn have_data(coalmine: &Coalmine<'_>, lab: &str, namespaces: &[&str]) {
    let (reach, prometheus) = reach(coalmine, lab);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let kubernetes = reach.kubernetes().await.unwrap();
        assert!(kubernetes.list("batch/v1", "Job", None, None).await.unwrap().is_empty(), "a run's Job is left");
        let prometheus = prometheus.endpoint(&kubernetes);
        let mut silent = Vec::new();
        let of_all = namespaces.iter().map(|it| dashboards::panels(it, "podinfo")).collect::<Vec<_>>();
        for number in 0..of_all[0].len() {
            let mut any = false;
            for Query { place, text } in of_all.iter().map(|it| &it[number]) {
                let of_late = Query { place: place.clone(), text: format!("last_over_time(({text})[15m:5s])") };
                any |= has_data(&prometheus, &of_late).await;
            }
            if !any {
                silent.push(of_all[0][number].place.clone());
            }
        }
        assert!(silent.is_empty(), "no data came for {silent:?}");
    });
}
