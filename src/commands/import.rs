//! `gittix import shows FILE`: through the running server if there is one, else into the file.

mod lines;
mod schema_org;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, header};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;

use self::lines::{Format, Lines, Numbered};
use super::operators::{ask, open};
use crate::actors::imports::{Import, ImportLine, ImportVenue, Outcome, importer};
use crate::actors::{MarketError, last_change};
use crate::config::Settings;
use crate::domain::{Caller, CatalogRejection, Email};
use crate::seams::{Clock as _, IdMint, SystemClock, SystemEntropy};
use crate::store::RedbStore;

/// How many lines are handed on at once.
const BATCH: usize = 500;
/// What a batch may hold in all, so that its request has a bound.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How shows are to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HowToImport {
    /// The operator whose shows they are; the first that there is if none is named.
    pub by: Option<String>,
    /// The time zone of venues whose line names none.
    pub time_zone: Option<String>,
}

/// Imports shows and their venues, and tells which lines were refused and why.
///
/// # Errors
///
/// If the file can't be read, or neither the data file nor a server that has it open can be asked.
pub async fn import_shows(
    settings: &Settings,
    path: &Path,
    how: &HowToImport,
) -> anyhow::Result<ExitCode> {
    let reading = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(reading)?;
    let bytes = file.metadata().map_or(0, |about| about.len());
    let read = Arc::new(AtomicU64::new(0));
    let mut input = BufReader::with_capacity(1 << 16, Counted { file, read: read.clone() });
    let format = format_of(path, input.fill_buf().with_context(reading)?);
    let mut lines = Lines::new(input, format).with_context(reading)?;
    let target = Target::of(settings, how).await?;
    let progress = progress_bar(bytes);
    let mut tally = Tally::default();
    let mut seen = Seen::default();
    loop {
        let batch = next_batch(&mut lines, how, &mut seen).with_context(reading)?;
        if batch.is_empty() {
            break;
        }
        let told = target.take_in(&batch).await?;
        progress.suspend(|| tally.tell(&told))?;
        progress.set_position(read.load(Ordering::Relaxed));
    }
    progress.finish_and_clear();
    let Tally { added, changed, unchanged, refused } = tally;
    writeln!(
        io::stdout(),
        "shows: {added} added, {changed} changed, {unchanged} unchanged, {refused} refused"
    )?;
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// By its name, or else by how it begins.
fn format_of(path: &Path, beginning: &[u8]) -> Format {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Format::Csv,
        "json" | "jsonl" | "ndjson" | "jsonld" => Format::Json,
        _ => {
            let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
            let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
            if first == Some(&b'{') { Format::Json } else { Format::Csv }
        }
    }
}

/// Nothing is drawn where nobody watches.
fn progress_bar(bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}%  {elapsed}, {eta} to go");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A file that says how much of it was read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

/// What the lines so far have named, so that no two of a file contradict each other.
#[derive(Default)]
struct Seen {
    /// In which line each show was.
    shows: HashMap<String, u64>,
    /// In which line each venue was first, and a hash of how it was described.
    venues: HashMap<VenueName, (u64, u64)>,
}

#[derive(PartialEq, Eq, Hash)]
enum VenueName {
    Id(String),
    Place(String),
}

impl Seen {
    fn note(&mut self, number: u64, line: &ImportLine) -> Result<(), String> {
        if let Some(id) = line.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
            match self.shows.entry(id.to_owned()) {
                Entry::Occupied(first) => {
                    return Err(format!("externalId is that of line {}, too", first.get()));
                }
                Entry::Vacant(free) => free.insert(number),
            };
        }
        let said = BuildHasherDefault::<DefaultHasher>::default().hash_one(trimmed(&line.venue));
        match self.venues.entry(name_of(&line.venue)) {
            Entry::Occupied(first) if first.get().1 != said => {
                let first = first.get().0;
                Err(format!("the venue is described otherwise than in line {first}"))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(free) => {
                free.insert((number, said));
                Ok(())
            }
        }
    }
}

/// As the server will read it.
fn trimmed(venue: &ImportVenue) -> ImportVenue {
    let text = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    ImportVenue {
        external_id: text(&venue.external_id),
        name: text(&venue.name),
        city: text(&venue.city),
        region: text(&venue.region),
        country: text(&venue.country),
        time_zone: text(&venue.time_zone),
        address: text(&venue.address),
        sections: venue.sections.iter().map(|section| section.trim().to_owned()).collect(),
    }
}

fn name_of(venue: &ImportVenue) -> VenueName {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_lowercase();
    match venue.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => VenueName::Id(id.to_owned()),
        None => VenueName::Place(
            [text(&venue.name), text(&venue.city), text(&venue.country)].join("\n"),
        ),
    }
}

fn next_batch(
    lines: &mut Lines<impl io::BufRead>,
    how: &HowToImport,
    seen: &mut Seen,
) -> io::Result<Vec<Numbered>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(Numbered { line, said }) = lines.next()? else { break };
        let said = said.and_then(|mut said| {
            let zone = said.venue.time_zone.take().filter(|zone| !zone.trim().is_empty());
            said.venue.time_zone = zone.or_else(|| how.time_zone.clone());
            seen.note(line, &said).map(|()| said)
        });
        bytes += said.as_ref().map_or(0, size);
        batch.push(Numbered { line, said });
    }
    Ok(batch)
}

/// About how many bytes a line has.
fn size(line: &ImportLine) -> usize {
    serde_json::to_vec(line).map_or(0, |bytes| bytes.len())
}

/// Where the lines go.
enum Target<'s> {
    File { store: RedbStore, ids: IdMint, by: Caller },
    Server { settings: &'s Settings, by: Option<String> },
}

/// What the running server answers.
#[derive(Deserialize)]
struct Answer {
    outcomes: Vec<Outcome>,
}

impl<'s> Target<'s> {
    async fn of(settings: &'s Settings, how: &HowToImport) -> anyhow::Result<Self> {
        let email = how.by.as_deref().map(|email| {
            Email::parse(email).map_err(|_| anyhow::anyhow!("{email:?} is no address"))
        });
        let email = email.transpose()?;
        let Some(store) = open(settings)? else {
            return Ok(Self::Server { settings, by: how.by.clone() });
        };
        let by = importer(&store, email.as_ref()).await.map_err(told)?;
        let ids = IdMint::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
        let ids = ids.after(last_change(&store).await?);
        Ok(Self::File { store, ids, by })
    }

    /// What became of each line.
    async fn take_in(&self, batch: &[Numbered]) -> anyhow::Result<Vec<(u64, Outcome)>> {
        let sound = batch.iter().filter_map(|line| line.said.as_ref().ok());
        let sound: Vec<ImportLine> = sound.cloned().collect();
        let outcomes = match self {
            _ if sound.is_empty() => Vec::new(),
            Self::File { store, ids, by } => {
                let (by, now) = (*by, SystemClock.now());
                Import { store, ids, timers: None, by, now }.take_in(&sound).await?
            }
            Self::Server { settings, by } => {
                let body = json!({ "by": by, "shows": sound }).to_string();
                let request = Request::post("/admin/import/shows")
                    .header(header::HOST, settings.http.admin_listen.to_string())
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Full::new(Bytes::from(body)))?;
                ask::<Answer>(settings, request).await?.outcomes
            }
        };
        let mut outcomes = outcomes.into_iter();
        let outcome = |line: &Numbered| match &line.said {
            Err(refused) => Ok((line.line, Outcome::Refused(refused.clone()))),
            Ok(_) => {
                let next = outcomes.next().context("the server's answer is too short")?;
                Ok((line.line, next))
            }
        };
        batch.iter().map(outcome).collect()
    }
}

fn told(error: MarketError) -> anyhow::Error {
    match error {
        MarketError::NotFound => anyhow::anyhow!("there is no account with that address"),
        MarketError::Catalog(CatalogRejection::NotOperator) => anyhow::anyhow!(
            "shows are imported for an operator: gittix operator grant EMAIL makes one"
        ),
        error => error.into(),
    }
}

/// What has become of the lines.
#[derive(Default)]
struct Tally {
    added: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
}

impl Tally {
    fn tell(&mut self, outcomes: &[(u64, Outcome)]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (line, outcome) in outcomes {
            match outcome {
                Outcome::Added => self.added += 1,
                Outcome::Changed => self.changed += 1,
                Outcome::Unchanged => self.unchanged += 1,
                Outcome::Refused(why) => {
                    self.refused += 1;
                    writeln!(out, "line {line}: {why}")?;
                }
            }
        }
        Ok(())
    }
}
