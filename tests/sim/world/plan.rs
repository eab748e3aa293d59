//! What a seed decides about its simulation: the size of the world, its settings, and how often
//! each fault strikes.

use std::time::Duration;

use gittix::bugs::{Bug, planted};

use super::rng::Rng;

macro_rules! faults {
    ($($variant:ident $name:literal $highest:literal)*) => {
        /// Everything that can be made to go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($variant),* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The fault's name on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The highest rate a seed may give it, in thousandths of the occasions.
            fn highest_rate(self) -> u32 {
                match self { $(Self::$variant => $highest),* }
            }
        }
    };
}

faults! {
    Decline "gateway-declines" 400
    Late "gateway-answers-late" 300
    Never "gateway-never-answers" 100
    Unknown "gateway-answers-unknown" 250
    LostAnswer "gateway-answer-lost" 250
    LateArrival "gateway-request-arrives-late" 200
    StaleReplay "gateway-replays-old-answer" 300
    CaptureFails "gateway-capture-declined" 100
    WebhookLate "webhook-late" 600
    WebhookTwice "webhook-twice" 400
    WebhookLost "webhook-lost" 400
    HandCapture "captured-by-hand" 1000
    HandCancel "cancelled-by-hand" 100
    HandRefund "refunded-by-hand" 100
    Dispute "disputed" 400
    RefundPending "refund-pending" 800
    RefundFails "refund-sent-back" 500
    ProviderChanges "provider-changes" 1000
    Panic "actor-panics" 12
    GiveUp "client-gives-up" 80
    ClockStep "clock-steps" 1000
    Kill "process-killed" 1000
    PowerCut "power-cut" 1000
    WriteError "disk-write-fails" 1000
    SyncError "disk-sync-fails" 1000
    DiskFull "disk-full" 1000
    MailFails "mail-fails" 300
    Restart "graceful-restart" 1000
}

/// How often each fault strikes, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates(Vec<u32>);

impl Rates {
    /// How often one strikes.
    pub fn of(&self, fault: Fault) -> u32 {
        self.0.get(fault as usize).copied().unwrap_or(0)
    }

    /// The same without one fault.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        if let Some(rate) = self.0.get_mut(fault as usize) {
            *rate = 0;
        }
        self
    }

    /// The faults that can strike.
    pub fn active(&self) -> Vec<Fault> {
        Fault::ALL.iter().copied().filter(|fault| self.of(*fault) > 0).collect()
    }
}

/// Everything about a simulation that does not happen by chance on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many people trade.
    pub users: u64,
    /// How many operations they begin in all.
    pub steps: u64,
    /// How many times the process may end before the world is left to settle.
    pub lives: u64,
    /// At which touch of the outside world the first life ends, instead of what chance decides.
    pub dies_at: Option<u64>,
    /// The longest pause between two operations of a client.
    pub longest_pause: Duration,
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// How many orders one buyer may have open.
    pub max_open_per_user: u32,
    /// What buyers pay on top, in hundredths of a percent.
    pub fee_basis_points: u32,
    /// How many charges an order may try.
    pub max_attempts: u32,
    /// How many idle actors of a kind stay awake.
    pub max_live_actors: usize,
    /// How many commits may wait.
    pub store_queue: usize,
    /// How many operations of a thousand go through the HTTP router.
    pub http_share: u32,
    /// The latest a webhook comes when it is late.
    pub latest_webhook: Duration,
    /// Whether rows are kept in memory, by the store that is every other's oracle, and not on the disk.
    pub in_memory: bool,
    /// How often each fault strikes.
    pub rates: Rates,
}

impl Plan {
    /// How often a buyer may let go of a ticket before they have to wait for it: as often as they
    /// like in most worlds, for in these people do little else.
    pub fn relock_free(&self) -> u32 {
        if self.seed.is_multiple_of(4) { 1 } else { u32::MAX }
    }

    /// What a seed decides.
    pub fn from_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, "plan");
        let rates = Fault::ALL.iter().map(|fault| match rng.below(4) {
            0 | 1 => 0,
            2 => fault.highest_rate() / 4 + 1,
            _ => fault.highest_rate(),
        });
        let rates = Rates(rates.collect());
        let seconds = |rng: &mut Rng, choices: &[u64]| {
            Duration::from_secs(rng.pick(choices).copied().unwrap_or(1))
        };
        Self {
            seed,
            users: rng.between(2, 6),
            steps: rng.between(20, 120),
            lives: rng.below(5),
            dies_at: None,
            longest_pause: seconds(rng, &[0, 1, 1, 30, 30, 600, 3600, 86_400]),
            hold: seconds(rng, &[5, 60, 900]),
            max_open_per_user: u32::try_from(rng.between(1, 5)).unwrap_or(1),
            max_attempts: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            fee_basis_points: rng.pick(&[0, 0, 725, 1_000]).copied().unwrap_or(0),
            max_live_actors: usize::try_from(rng.pick(&[0, 1, 2, 3, 4096]).copied().unwrap_or(0))
                .unwrap_or(0),
            store_queue: usize::try_from(rng.pick(&[1, 4096, 4096]).copied().unwrap_or(1))
                .unwrap_or(2),
            http_share: u32::try_from(rng.pick(&[0, 250, 500, 800]).copied().unwrap_or(0))
                .unwrap_or(0),
            latest_webhook: seconds(rng, &[10, 600, 7200, 86_400]),
            in_memory: false,
            rates,
        }
    }

    /// What to add to the simulator's command line to run this and not what the seed decides.
    pub fn command_line(&self) -> String {
        let whole = Self::from_seed(self.seed);
        let mut line = String::new();
        if let Some(bug) = Bug::ALL.iter().find(|bug| planted(**bug)) {
            line.push_str(&format!("--bug {} ", bug.name()));
        }
        line.push_str(&format!("--seed {}", self.seed));
        let mut option = |name: &str, own: u64, whole: u64| {
            if own != whole {
                line.push_str(&format!(" --{name} {own}"));
            }
        };
        option("users", self.users, whole.users);
        option("steps", self.steps, whole.steps);
        option("lives", self.lives, whole.lives);
        if self.in_memory {
            line.push_str(" --in-memory");
        }
        if let Some(touch) = self.dies_at {
            line.push_str(&format!(" --dies-at {touch}"));
        }
        let gone: Vec<&str> = whole
            .rates
            .active()
            .into_iter()
            .filter(|fault| self.rates.of(*fault) == 0)
            .map(Fault::name)
            .collect();
        if !gone.is_empty() {
            line.push_str(&format!(" --without {}", gone.join(",")));
        }
        line
    }
}
