//! From what was discovered to what is scraped.

use super::file::ScrapeConfig;
use super::relabel::relabelled;
use crate::metrics::database::Target;
use crate::metrics::duration::{self, Written};
use crate::metrics::labels::Labels;

/// What became of a discovered set of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Target(Box<Target>),
    /// Relabelling dropped it; with what had been discovered.
    Dropped(Labels),
    /// It has no address. Prometheus lists it nowhere.
    Nowhere,
}

/// The labels that a job adds before relabelling.
fn completed(job: &ScrapeConfig, discovered: &Labels) -> Labels {
    let mut labels = discovered.clone();
    let params = job.params.iter().filter_map(|(name, values)| Some((format!("__param_{name}"), values.first()?)));
    let params: Vec<(String, String)> = params.map(|(name, value)| (name, value.clone())).collect();
    let own = [
        ("job", job.name.clone()),
        ("__metrics_path__", job.metrics_path.clone()),
        ("__scheme__", job.scheme.clone()),
        ("__scrape_interval__", Written(job.interval_ms).to_string()),
        ("__scrape_timeout__", Written(job.timeout_ms).to_string()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    for (name, value) in own.chain(params) {
        if labels.get(&name).is_empty() {
            labels = labels.with(&name, &value);
        }
    }
    labels
}

/// What a job makes of discovered labels.
#[must_use]
pub fn find(job: &ScrapeConfig, discovered: &Labels) -> Found {
    let discovered = completed(job, discovered);
    let Some(labels) = relabelled(&discovered, &job.relabelling) else { return Found::Dropped(discovered) };
    let address = labels.get("__address__").to_owned();
    if address.is_empty() {
        return Found::Nowhere;
    }
    let path = labels.get("__metrics_path__");
    let query = query_of(job, &labels);
    let url = format!("{}://{address}{path}{query}", labels.get("__scheme__"));
    let millis = |name: &str, default| duration::parse(labels.get(name)).ok().filter(|it| *it > 0).unwrap_or(default);
    let kept = labels.filtered(|name| !name.starts_with("__"));
    let kept = if kept.get("instance").is_empty() { kept.with("instance", &address) } else { kept };
    Found::Target(Box::new(Target {
        labels: kept,
        interval_ms: millis("__scrape_interval__", job.interval_ms),
        timeout_ms: millis("__scrape_timeout__", job.timeout_ms),
        pool: job.name.clone(),
        url,
        honor: job.honor,
        relabelling: job.metric_relabelling.clone(),
        discovered,
    }))
}

/// The parameters of the scrape's URL: those of the job, the first of each as its label says.
fn query_of(job: &ScrapeConfig, labels: &Labels) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut any = false;
    let labelled = labels.iter().filter_map(|label| Some((label.name.strip_prefix("__param_")?, &*label.value)));
    for (name, value) in labelled {
        any = true;
        query.append_pair(name, value);
        for more in job.params.get(name).into_iter().flatten().skip(1) {
            query.append_pair(name, more);
        }
    }
    if any { format!("?{}", query.finish()) } else { String::new() }
}
