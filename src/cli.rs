//! The command line: what to do, with which settings. Parsing alone; `main` acts on it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::actors::operators::Role;
use crate::auth::OldKey;
use crate::commands::HowToImport;
use crate::config::Overrides;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// The settings file that was named.
    pub config: Option<PathBuf>,
    /// The settings that flags give.
    pub overrides: Overrides,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the server until a signal.
    Serve {
        /// Start with sample users and tickets.
        demo: bool,
    },
    /// Check every invariant of the data file, with no server running on it, or of a backup.
    Verify {
        /// The file to check, which is only read; the data file if there is none.
        file: Option<PathBuf>,
    },
    /// Copy the data to a new file.
    Backup {
        /// The file to write; it must not exist.
        file: PathBuf,
    },
    /// Make the data file from a backup.
    Restore {
        /// The backup to read.
        file: PathBuf,
    },
    /// List the charges of the running server that are not settled.
    UnsettledCharges,
    /// Print config.toml with every setting at its default.
    Config,
    /// Make an account an operator's, or no longer.
    SetRole {
        /// The account's address.
        email: String,
        /// What becomes of it.
        role: Role,
    },
    /// List the operators.
    Operators,
    /// Bring shows in from a file.
    ImportShows {
        /// The file.
        file: PathBuf,
        /// Whose they are, and where they are if a line does not say.
        how: HowToImport,
    },
    /// Sign sessions, or seal passes, with a new key from now on.
    RotateKey {
        /// Which key.
        key: KeyToRotate,
    },
    /// Bring one of them to its end.
    SettleCharge {
        /// The charge's id.
        charge: String,
        /// How it stands.
        finding: SettledAs,
    },
}

/// A key that can be rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyToRotate {
    /// The one that signs sessions.
    Session(
        /// What becomes of the sessions that the old one signed.
        OldKey,
    ),
    /// The one that passes are sealed with.
    Passes,
}

impl Invocation {
    /// Reads the arguments of a process, its own name first.
    ///
    /// # Errors
    ///
    /// What is wrong with them, or the help or version text that they ask for:
    /// [`clap::Error::exit`] prints either and ends the process as it should.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let line = Line::try_parse_from(arguments)?;
        let (serve, command) = match line.command {
            None => (line.serve, None),
            Some(Verb::Serve(after)) => (line.serve.or(after), None),
            Some(other) => (line.serve, Some(other)),
        };
        let command = match command {
            None => Command::Serve { demo: serve.demo },
            Some(_) if serve != ServeFlags::default() => {
                return Err(Line::command().error(
                    ErrorKind::ArgumentConflict,
                    "--listen and --demo are for serving, not for the other commands",
                ));
            }
            Some(Verb::Verify { file }) => Command::Verify { file },
            Some(Verb::Backup { file }) => Command::Backup { file },
            Some(Verb::Charges { unsettled: _, verb: None }) => Command::UnsettledCharges,
            Some(Verb::Charges { verb: Some(ChargeVerb::Settle { charge, finding }), .. }) => {
                Command::SettleCharge { charge, finding }
            }
            Some(Verb::Operator { verb: OperatorVerb::Grant { email } }) => {
                Command::SetRole { email, role: Role::Operator }
            }
            Some(Verb::Operator { verb: OperatorVerb::Revoke { email } }) => {
                Command::SetRole { email, role: Role::None }
            }
            Some(Verb::Operator { verb: OperatorVerb::List }) => Command::Operators,
            Some(Verb::Import { verb: ImportVerb::Shows { file, by, time_zone } }) => {
                Command::ImportShows { file, how: HowToImport { by, time_zone } }
            }
            Some(Verb::Restore { file }) => Command::Restore { file },
            Some(Verb::Config) => Command::Config,
            Some(Verb::RotateKey { end_sessions, passes }) => {
                let old = if end_sessions { OldKey::Drop } else { OldKey::Accept };
                let key = if passes { KeyToRotate::Passes } else { KeyToRotate::Session(old) };
                Command::RotateKey { key }
            }
            Some(Verb::Serve(_)) => Command::Serve { demo: serve.demo },
        };
        let mut overrides = overrides(serve.listen, line.data_dir);
        if serve.demo {
            overrides = overrides.unless_given("payments.max_attempts", "3", "--demo");
        }
        Ok(Self { command, config: line.config, overrides })
    }
}

fn overrides(listen: Option<String>, data_dir: Option<PathBuf>) -> Overrides {
    let mut overrides = Overrides::none();
    if let Some(listen) = listen {
        overrides = overrides.set("http.listen", listen, "--listen");
    }
    if let Some(folder) = data_dir {
        let inside = |name| folder.join(name).to_string_lossy().into_owned();
        overrides = overrides.set("store.path", inside("gittix.redb"), "--data-dir").set(
            "auth.secret_file",
            inside("session.key"),
            "--data-dir",
        );
    }
    overrides
}

/// A ticket resale marketplace in one binary.
///
/// Without a command it serves. Every setting is described in config.toml.
#[derive(Debug, Parser)]
#[command(name = "gittix", version)]
struct Line {
    /// Read settings from this file instead of ./config.toml
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Keep the data file and the session key in this folder
    #[arg(long, value_name = "FOLDER", global = true, value_parser = utf8_path)]
    data_dir: Option<PathBuf>,

    #[command(flatten)]
    serve: ServeFlags,

    #[command(subcommand)]
    command: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server (the default)
    Serve(ServeFlags),
    /// Check every invariant of the data file, with no server running on it, or of a backup
    Verify {
        /// The file to check where it lies, which is only read; the data file if there is none
        file: Option<PathBuf>,
    },
    /// Copy the data to a new file, also while the server runs
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Make the data file from a backup, with no server running on it
    Restore {
        /// The backup to read
        file: PathBuf,
    },
    /// Sign sessions with a new key from now on, also while the server runs. What the key before
    /// signed is accepted until the next rotation, so nobody is signed out
    RotateKey {
        /// Accept nothing that the old key signed: everyone is signed out
        #[arg(long)]
        end_sessions: bool,
        /// Roll the key that passes are sealed with instead: those before it stay, and open what they
        /// sealed
        #[arg(long, conflicts_with = "end_sessions")]
        passes: bool,
    },
    /// List the charges that still owe something to or by the payment provider, from the running
    /// server
    #[command(args_conflicts_with_subcommands = true)]
    Charges {
        /// The same; there is no other list yet
        #[arg(long)]
        unsettled: bool,

        #[command(subcommand)]
        verb: Option<ChargeVerb>,
    },
    /// Say who looks after the market, in the running server or else in the data file
    Operator {
        #[command(subcommand)]
        verb: OperatorVerb,
    },
    /// Bring in what others list, through the running server or else into the data file
    Import {
        #[command(subcommand)]
        verb: ImportVerb,
    },
    /// Print config.toml, with every setting commented out at its default
    Config,
}

#[derive(Debug, Subcommand)]
enum ImportVerb {
    /// Add shows and their venues, or change them to what the file says. The same file again
    /// changes nothing
    Shows {
        /// A CSV file with a header, or a JSON object in each line
        file: PathBuf,

        /// The operator whose shows they are, by address; the first one if none is named
        #[arg(long = "as", value_name = "EMAIL")]
        by: Option<String>,

        /// The time zone of venues whose line names none, such as Europe/Berlin
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum OperatorVerb {
    /// Make an account an operator's, from its next request on
    Grant {
        /// The account's address
        email: String,
    },
    /// Make it nobody's but its owner's again
    Revoke {
        /// The account's address
        email: String,
    },
    /// List the operators
    List,
}

#[derive(Debug, Subcommand)]
enum ChargeVerb {
    /// Bring a charge to its end that the payment provider can't be asked about, or whose refund
    /// a bank keeps sending back
    Settle {
        /// The charge, as the list names it
        charge: String,

        /// How it stands, as you have found out
        #[arg(long = "as", value_name = "OUTCOME")]
        finding: SettledAs,
    },
}

/// How a charge stands, by an operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SettledAs {
    /// The money was taken
    Taken,
    /// No money was taken, and none will be
    NotTaken,
    /// The buyer has the money back, by whatever way
    PaidBack,
    /// The refund of a sale is given up: the sale stands
    Kept,
}

impl SettledAs {
    /// The outcome as the running server reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NotTaken => "not-taken",
            Self::PaidBack => "paid-back",
            Self::Kept => "kept",
        }
    }
}

/// The flags of `serve`, which may also stand without it.
#[derive(Debug, Default, PartialEq, Eq, Args)]
struct ServeFlags {
    /// Listen on this address, such as 127.0.0.1:3000 or localhost:3000
    #[arg(long, value_name = "ADDRESS", value_parser = with_a_port)]
    listen: Option<String>,

    /// Start with sample users and tickets
    #[arg(long)]
    demo: bool,
}

impl ServeFlags {
    /// Both sets of flags together; `later` wins.
    fn or(self, later: Self) -> Self {
        Self { listen: later.listen.or(self.listen), demo: self.demo || later.demo }
    }
}

/// Settings are text, so a folder whose name is not is refused rather than misspelled.
fn utf8_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("the folder's name is empty") } else { Ok(PathBuf::from(text)) }
}

/// Whether the host can be found is for the settings to say.
fn with_a_port(text: &str) -> Result<String, &'static str> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    if is_port { Ok(text.to_owned()) } else { Err("a host or an address, a colon and a port") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Invocation, clap::Error> {
        let words = std::iter::once("gittix").chain(line.split_whitespace());
        Invocation::parse(words.map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        for line in ["", "serve"] {
            let invocation = parse(line).unwrap();
            assert_eq!(invocation.command, Command::Serve { demo: false }, "{line}");
            assert_eq!(invocation.overrides, Overrides::none());
        }
    }

    #[test]
    fn flags_of_serve_may_stand_with_or_without_it() {
        let expected = Overrides::none().set("http.listen", "127.0.0.1:80", "--listen");
        let expected = expected.unless_given("payments.max_attempts", "3", "--demo");
        for line in [
            "--demo --listen 127.0.0.1:80",
            "serve --demo --listen 127.0.0.1:80",
            "--demo serve --listen 127.0.0.1:80",
            "--listen 127.0.0.1:1 serve --demo --listen 127.0.0.1:80",
        ] {
            let invocation = parse(line).unwrap();
            assert_eq!(invocation.command, Command::Serve { demo: true }, "{line}");
            assert_eq!(invocation.overrides, expected, "{line}");
        }
    }

    #[test]
    fn the_other_commands_take_the_settings_file_and_the_folder_but_no_flag_of_serve() {
        let invocation = parse("--config a.toml backup --data-dir d out.redb").unwrap();
        assert_eq!(invocation.command, Command::Backup { file: "out.redb".into() });
        assert_eq!(invocation.config, Some("a.toml".into()));
        let expected = Overrides::none().set("store.path", "d/gittix.redb", "--data-dir").set(
            "auth.secret_file",
            "d/session.key",
            "--data-dir",
        );
        assert_eq!(invocation.overrides, expected);

        assert_eq!(parse("charges --unsettled").unwrap().command, Command::UnsettledCharges);
        assert_eq!(parse("charges").unwrap().command, Command::UnsettledCharges);
        assert_eq!(parse("config").unwrap().command, Command::Config);
        let rotate = |line| parse(line).unwrap().command;
        for (line, key) in [
            ("rotate-key", KeyToRotate::Session(OldKey::Accept)),
            ("rotate-key --end-sessions", KeyToRotate::Session(OldKey::Drop)),
            ("rotate-key --passes", KeyToRotate::Passes),
        ] {
            assert_eq!(rotate(line), Command::RotateKey { key });
        }
        assert!(parse("rotate-key --passes --end-sessions").is_err());
        for finding in [SettledAs::Taken, SettledAs::NotTaken, SettledAs::PaidBack, SettledAs::Kept]
        {
            let line = format!("charges settle charge_1 --as {}", finding.name());
            let charge = "charge_1".to_owned();
            assert_eq!(parse(&line).unwrap().command, Command::SettleCharge { charge, finding });
        }
        assert!(parse("charges settle charge_1").is_err());
        assert!(parse("charges settle charge_1 --as lost").is_err());
        let verify = |line| parse(line).unwrap().command;
        assert_eq!(verify("verify --config a.toml"), Command::Verify { file: None });
        assert_eq!(verify("verify a"), Command::Verify { file: Some("a".into()) });
        for line in ["--demo verify", "verify --demo", "--listen 127.0.0.1:80 restore a"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in [
            "sevre",
            "backup",
            "restore",
            "--listen localhost",
            "--listen :80",
            "--config",
            "verify x y",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn help_and_version_are_not_failures() {
        for line in ["--help", "help", "--version", "serve --help", "help serve", "help backup"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }
}
