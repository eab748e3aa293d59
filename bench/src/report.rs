//! Figures of several runs, and how they are shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::client::{ClassTally, Observation};

/// What one run of a scenario found. Things of the same name in several runs are the same thing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The figures that matter most: quotients within the run.
    pub ratios: Vec<Figure>,
    /// A line for each server and class of requests.
    pub lines: Vec<Line>,
    /// Other figures.
    pub notes: Vec<Figure>,
}

/// A figure with a name.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it should be, in words.
    pub target: &'static str,
}

/// How one server did with one class of requests.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Which server.
    pub server: &'static str,
    /// Which requests.
    pub class: &'static str,
    /// Its figures, by name; see [`COLUMNS`].
    pub values: BTreeMap<&'static str, f64>,
}

/// The columns of a table: the name of a value, and how many decimals it is shown with.
const COLUMNS: [(&str, usize); 11] = [
    ("answers/s", 0),
    ("p50 ms", 2),
    ("p99 ms", 2),
    ("p99.9 ms", 2),
    ("max ms", 1),
    ("server CPU us/answer", 1),
    ("client CPU us/answer", 1),
    ("RSS MiB", 0),
    ("commits/s", 0),
    ("commits/batch", 1),
    ("batch ms", 2),
];

impl Outcome {
    /// Adds the lines of a run; returns the answers per second of all classes together.
    pub fn observe(&mut self, server: &'static str, seen: &Observation) -> f64 {
        let seconds = (seen.after.at - seen.before.at).as_secs_f64();
        let answers = seen.tally.answers() as f64;
        let mut shared = BTreeMap::new();
        let per_answer = |after: std::time::Duration, before| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / answers.max(1.0)
        };
        let (before, after) = (&seen.before, &seen.after);
        shared.insert("server CPU us/answer", per_answer(after.server_cpu, before.server_cpu));
        shared.insert("client CPU us/answer", per_answer(after.client_cpu, before.client_cpu));
        if after.rss_bytes > 0 {
            shared.insert("RSS MiB", after.rss_bytes as f64 / 1048576.0);
        }
        let batches = after.store.batches - before.store.batches;
        if batches > 0.0 {
            let commits = after.store.commits - before.store.commits;
            shared.insert("commits/s", commits / seconds);
            shared.insert("commits/batch", commits / batches);
            let took = after.store.seconds - before.store.seconds;
            shared.insert("batch ms", took * 1000.0 / batches);
        }
        for class in seen.tally.classes.iter().filter(|class| class.times.len() > 0) {
            let mut values = shared.clone();
            values.extend(times(class));
            values.insert("answers/s", class.times.len() as f64 / seconds);
            self.lines.push(Line { server, class: class.name, values });
        }
        answers / seconds
    }

    /// Adds a quotient.
    pub fn ratio(&mut self, name: impl Into<String>, value: f64, target: &'static str) {
        self.ratios.push(Figure { name: name.into(), value, target });
    }

    /// Adds another figure.
    pub fn note(&mut self, name: impl Into<String>, value: f64) {
        self.notes.push(Figure { name: name.into(), value, target: "" });
    }

    /// Adds the quotients of one server's figure by others', each with its name and target, as far
    /// as the others ran.
    pub fn compare(
        &mut self,
        ours: (&str, &str),
        value: &str,
        others: &[(&str, (&str, &str), &'static str)],
    ) {
        for (name, under, target) in others {
            if let Some(quotient) = self.quotient(ours, *under, value) {
                self.ratio(*name, quotient, target);
            }
        }
    }

    /// A figure of a line, once there is one.
    pub fn value(&self, server: &str, class: &str, value: &str) -> Option<f64> {
        let line = self.lines.iter().find(|line| line.server == server && line.class == class)?;
        line.values.get(value).copied()
    }

    /// The quotient of two servers' figures, if both ran.
    pub fn quotient(&self, over: (&str, &str), under: (&str, &str), value: &str) -> Option<f64> {
        let under = self.value(under.0, under.1, value).filter(|under| *under > 0.0)?;
        Some(self.value(over.0, over.1, value)? / under)
    }
}

fn times(class: &ClassTally) -> [(&'static str, f64); 4] {
    let quantile = |share| class.times.quantile(share).as_secs_f64() * 1000.0;
    [
        ("p50 ms", quantile(0.5)),
        ("p99 ms", quantile(0.99)),
        ("p99.9 ms", quantile(0.999)),
        ("max ms", class.times.max().as_secs_f64() * 1000.0),
    ]
}

/// The medians of several runs.
pub fn median_of(runs: &[Outcome]) -> Outcome {
    let mut whole = Outcome::default();
    let Some(first) = runs.first() else { return whole };
    let figures = |of: fn(&Outcome) -> &Vec<Figure>| {
        let same = |name: &str| {
            let all = runs.iter().flat_map(of).filter(|figure| figure.name == name);
            median(all.map(|figure| figure.value).collect())
        };
        let figure = |figure: &Figure| Figure { value: same(&figure.name), ..figure.clone() };
        of(first).iter().map(figure).collect()
    };
    whole.ratios = figures(|run| &run.ratios);
    whole.notes = figures(|run| &run.notes);
    for line in &first.lines {
        let value = |name: &&'static str| {
            let all = runs.iter().filter_map(|run| run.value(line.server, line.class, name));
            (*name, median(all.collect()))
        };
        let values = line.values.keys().map(value).collect();
        whole.lines.push(Line { values, ..line.clone() });
    }
    whole
}

/// The middle one; of an even number, the upper of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A scenario as markdown.
pub fn show(title: &str, outcome: &Outcome) -> String {
    let mut text = format!("\n## {title}\n\n");
    for figure in &outcome.ratios {
        let target = if figure.target.is_empty() {
            String::new()
        } else {
            format!(" (target: {})", figure.target)
        };
        let _ = writeln!(text, "* **{:.2}** {}{target}", figure.value, figure.name);
    }
    for figure in &outcome.notes {
        let _ = writeln!(text, "* {}: {:.2}", figure.name, figure.value);
    }
    let has = |column: &str| outcome.lines.iter().any(|line| line.values.contains_key(column));
    let columns: Vec<_> = COLUMNS.iter().filter(|(name, _)| has(name)).collect();
    if outcome.lines.is_empty() {
        return text;
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(text, "\n| server | requests | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---:|".repeat(columns.len()));
    for line in &outcome.lines {
        let cell = |(name, decimals): &&(&str, usize)| match line.values.get(name) {
            Some(value) => format!("{value:.decimals$}"),
            None => String::new(),
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let _ = writeln!(text, "| {} | {} | {} |", line.server, line.class, cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64) -> Outcome {
        let values = BTreeMap::from([("answers/s", value), ("p50 ms", 1.0 / value)]);
        let mut run = Outcome::default();
        run.lines.push(Line { server: "a", class: "x", values: values.clone() });
        let half = values.into_iter().map(|(name, value)| (name, value / 2.0)).collect();
        run.lines.push(Line { server: "b", class: "x", values: half });
        run.ratio(
            "a by b",
            run.quotient(("a", "x"), ("b", "x"), "answers/s").unwrap(),
            "at least 2",
        );
        run.note("n", value);
        run
    }

    #[test]
    fn medians_are_taken_of_each_figure() {
        let whole = median_of(&[run(3.0), run(100.0), run(2.0)]);
        assert_eq!(whole.value("a", "x", "answers/s"), Some(3.0));
        assert_eq!(whole.value("a", "x", "p50 ms"), Some(1.0 / 3.0));
        assert_eq!(whole.ratios[0].value, 2.0);
        assert_eq!(whole.notes[0].value, 3.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_quotient_needs_both_servers() {
        let run = run(3.0);
        assert_eq!(run.quotient(("a", "x"), ("c", "x"), "answers/s"), None);
        assert_eq!(run.quotient(("a", "x"), ("b", "y"), "answers/s"), None);
    }

    #[test]
    fn a_table_has_the_columns_that_are_filled() {
        let text = show("Locks", &run(4.0));
        assert!(text.contains("**2.00** a by b (target: at least 2)"), "{text}");
        assert!(text.contains("| server | requests | answers/s | p50 ms |"), "{text}");
        assert!(text.contains("| a | x | 4 | 0.25 |"), "{text}");
    }
}
