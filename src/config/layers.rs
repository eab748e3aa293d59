//! Where settings come from: each layer is a flat map of dotted keys, later layers win, and the
//! [`Reader`] hands them out one by one, keeping every problem for one report.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Value;

/// What every environment variable of ours starts with.
const ENVIRONMENT_PREFIX: &str = "GITTIX_";

/// The file read from the working directory when no other is named.
const DEFAULT_FILE: &str = "config.toml";

/// Where one value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A key of this file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// This command-line flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::Flag(name) => write!(f, "from the flag {name}"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file that was asked for cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// The file is not TOML. The offending line is named, not quoted: it may hold a secret.
    #[error("{}:{line}: not valid TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// No setting has this key.
    #[error("{key}: unknown key {given}; {hint}")]
    UnknownKey {
        /// The key or, from the environment, the variable's name.
        key: String,
        /// Where it was given.
        given: Source,
        /// Which keys there are.
        hint: String,
    },
    /// The value is of the wrong type or out of range.
    #[error("{key}: bad value {given}: expected {expected}, not {value}")]
    BadValue {
        /// The setting's key.
        key: Cow<'static, str>,
        /// Where it was given.
        given: Source,
        /// The value as it was given, unless it is a secret.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// A setting that others make necessary was not given.
    #[error("{key}: missing, {why}")]
    Missing {
        /// The setting's key.
        key: &'static str,
        /// What makes it necessary.
        why: &'static str,
    },
    /// Two settings, each right by itself, contradict each other.
    #[error("{key}: {conflict}")]
    Conflict {
        /// The setting to change.
        key: &'static str,
        /// What it contradicts.
        conflict: String,
    },
}

/// Everything that is wrong with the settings, one problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// At least one problem.
    pub problems: Vec<Problem>,
}

impl std::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings are not usable:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Settings given on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// They win over every other layer.
    set: Vec<Override>,
    /// Every other layer wins over them.
    unless_given: Vec<Override>,
}

/// Key, value and flag.
type Override = (&'static str, String, &'static str);

impl Overrides {
    /// No overrides.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds that `flag` sets `key` to `value`.
    #[must_use]
    pub fn set(mut self, key: &'static str, value: impl Into<String>, flag: &'static str) -> Self {
        self.set.push((key, value.into(), flag));
        self
    }

    /// Adds that `flag` sets `key` to `value` unless another layer has a value for it.
    #[must_use]
    pub fn unless_given(
        mut self,
        key: &'static str,
        value: impl Into<String>,
        flag: &'static str,
    ) -> Self {
        self.unless_given.push((key, value.into(), flag));
        self
    }
}

/// A value as its layer gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// From a file, where types count: `"900"` is not a number.
    Typed(Value),
    /// From the environment or a flag, where everything is text.
    Text(String),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(Value::String(text)) | Self::Text(text) => write!(f, "{text:?}"),
            Self::Typed(Value::Integer(number)) => write!(f, "{number}"),
            Self::Typed(Value::Float(number)) => write!(f, "{number}"),
            Self::Typed(Value::Boolean(flag)) => write!(f, "{flag}"),
            Self::Typed(Value::Datetime(time)) => write!(f, "{time}"),
            Self::Typed(Value::Array(_)) => write!(f, "a list"),
            Self::Typed(Value::Table(_)) => write!(f, "a table"),
        }
    }
}

/// Hands out values by key and remembers what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    given: BTreeMap<String, (Given, Source)>,
    /// Tables without a key, which are right only as the head of known keys.
    empty_tables: Vec<(String, Source)>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Stacks the layers: the file, then the environment, then the flags.
    pub(super) fn stack(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: Overrides,
    ) -> Self {
        let mut reader = Self::default();
        reader.add_flags(flags.unless_given);
        reader.add_file(path);
        reader.add_environment(environment);
        reader.add_flags(flags.set);
        reader
    }

    /// The value of `key`, or `default` if no layer has it or it does not parse.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&Given) -> Option<T>,
    ) -> T {
        self.read_showing(key, default, expected, parse, Given::to_string)
    }

    /// As [`Reader::read`], for a value that must not appear in a message.
    pub(super) fn read_secret<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&Given) -> Option<T>,
    ) -> T {
        self.read_showing(key, default, expected, parse, |_| "what was given".to_owned())
    }

    fn read_showing<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&Given) -> Option<T>,
        show: impl FnOnce(&Given) -> String,
    ) -> T {
        self.known.push(key);
        let Some((given, source)) = self.given.remove(key) else { return default };
        if let Some(value) = parse(&given) {
            return value;
        }
        self.problems.push(Problem::BadValue {
            key: key.into(),
            given: source,
            value: show(&given),
            expected: expected.to_owned(),
        });
        default
    }

    /// The value of every key `head.NAME.tail` that a layer has and whose name is right, by that name.
    pub(super) fn read_named<T>(
        &mut self,
        head: &str,
        is_name: impl Fn(&str) -> bool,
        tail: &str,
        expected: &str,
        parse: impl Fn(&Given) -> Option<T>,
    ) -> Vec<(String, T)> {
        let named = |key: &str| {
            let name = key.strip_prefix(head)?.strip_prefix('.')?;
            let name = name.strip_suffix(tail)?.strip_suffix('.')?;
            is_name(name).then(|| name.to_owned())
        };
        let given = std::mem::take(&mut self.given);
        let (mut read, mut rest) = (Vec::new(), BTreeMap::new());
        for (key, (value, source)) in given {
            match (named(&key), parse(&value)) {
                (None, _) => {
                    rest.insert(key, (value, source));
                }
                (Some(name), Some(parsed)) => read.push((name, parsed)),
                (Some(_), None) => self.problems.push(Problem::BadValue {
                    key: key.into(),
                    given: source,
                    value: value.to_string(),
                    expected: expected.to_owned(),
                }),
            }
        }
        self.given = rest;
        read
    }

    /// Whether a file or the environment has a value for `key`. A flag that moves all files at once
    /// doesn't mean one of them in particular.
    pub(super) fn is_set(&self, key: &str) -> bool {
        let source = self.given.get(key).map(|(_, source)| source);
        matches!(source, Some(Source::File(_) | Source::Environment(_)))
    }

    /// Adds a problem that a single value does not show.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Every key that was asked for, in that order.
    pub(super) fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// Ends the reading: what nobody asked for is unknown, and any problem is an error.
    pub(super) fn finish(mut self) -> Result<(), SettingsError> {
        let mut empty_tables = std::mem::take(&mut self.empty_tables);
        empty_tables.retain(|(table, _)| !self.is_section(table));
        let unread = std::mem::take(&mut self.given);
        let unread = unread.into_iter().map(|(key, (_, source))| (key, source));
        for (key, source) in unread.chain(empty_tables) {
            let hint = self.hint(&key);
            self.problems.push(Problem::UnknownKey { key, given: source, hint });
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(SettingsError { problems: self.problems })
        }
    }

    /// Whether keys start with `table.`.
    fn is_section(&self, table: &str) -> bool {
        let mut rests = self.known.iter().filter_map(|known| known.strip_prefix(table));
        rests.any(|rest| rest.starts_with('.'))
    }

    fn hint(&self, key: &str) -> String {
        let section = key.split_once('.').map_or(key, |(section, _)| section);
        let siblings: Vec<&str> = self
            .known
            .iter()
            .copied()
            .filter(|known| known.split_once('.').is_some_and(|(head, _)| head == section))
            .collect();
        if siblings.is_empty() {
            let mut sections: Vec<&str> =
                self.known.iter().filter_map(|known| known.split('.').next()).collect();
            sections.dedup();
            let sections = sections.join(", ");
            format!("the sections are {sections}; a variable is GITTIX_<SECTION>__<KEY>")
        } else {
            format!("the keys of this section are {}", siblings.join(", "))
        }
    }

    fn add(&mut self, key: String, value: Given, source: Source) {
        self.given.insert(key, (value, source));
    }

    fn add_flags(&mut self, flags: Vec<Override>) {
        for (key, value, flag) in flags {
            self.add(key.to_owned(), Given::Text(value), Source::Flag(flag.to_owned()));
        }
    }

    fn add_file(&mut self, path: Option<&Path>) {
        let (path, must_exist) = path.map_or((Path::new(DEFAULT_FILE), false), |path| (path, true));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return,
            Err(error) => {
                let (path, reason) = (path.to_owned(), error.to_string());
                return self.refuse(Problem::Unreadable { path, reason });
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table("", table, path),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let before = text.bytes().take(offset);
                self.refuse(Problem::Syntax {
                    path: path.to_owned(),
                    line: 1 + before.filter(|byte| *byte == b'\n').count(),
                    reason: error.message().to_owned(),
                });
            }
        }
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, path: &Path) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(inner) if inner.is_empty() => {
                    self.empty_tables.push((key, Source::File(path.to_owned())));
                }
                Value::Table(inner) => self.add_table(&key, inner, path),
                value => self.add(key, Given::Typed(value), Source::File(path.to_owned())),
            }
        }
    }

    fn add_environment(&mut self, environment: impl Iterator<Item = (String, String)>) {
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if is_service_link(rest, &value) {
                continue;
            }
            // A name that is not written as documented keeps its own spelling, which no key has.
            let is_upper = !rest.bytes().any(|byte| byte.is_ascii_lowercase());
            let key = if is_upper && !rest.contains('.') {
                rest.to_ascii_lowercase().replace("__", ".")
            } else {
                name.clone()
            };
            self.add(key, Given::Text(value), Source::Environment(name));
        }
    }
}

/// Kubernetes gives every pod `GITTIX_PORT=tcp://…`, `GITTIX_SERVICE_HOST` and their like when a
/// service is called gittix. They are not settings and must not stop the start.
fn is_service_link(rest: &str, value: &str) -> bool {
    let is_link = rest.starts_with("SERVICE_") || rest.starts_with("PORT_");
    is_link || (rest == "PORT" && value.contains("://"))
}
