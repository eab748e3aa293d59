//! Password hashing with argon2id, away from the threads that answer requests.
//!
//! One hash takes 15 to 20 ms of a core and 19 MiB. On the runtime's threads, or on its pool for
//! blocking work, a burst of sign-ins would stall every other request; so hashing has threads of its
//! own, each with one block of memory that it reuses, behind a queue with a bound that is fair to
//! every network (see [`queue`]). Whoever finds no room there learns so at once. A caller that has
//! gone away by its turn is skipped.
//!
//! What is hashed is the password's compatibility composition (NFKC), as RFC 8265 asks for: the same
//! keys give other characters on another keyboard or system. Older hashes may have been made from
//! the characters as they came, so these are tried as well if they differ.

mod queue;

use std::any::Any;
use std::hint::black_box;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;

use self::queue::FairQueue;
use crate::seams::Entropy;

/// The most memory that a stored hash may ask for, so that a damaged row cannot exhaust it.
const MAX_STORED_MEMORY_KIB: u32 = 256 * 1024;

/// How much work a hash is, and how many may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory that one hash fills, in KiB.
    pub memory_kib: u32,
    /// How often it is filled.
    pub passes: u32,
    /// Independent lanes; they are computed one after the other.
    pub lanes: u32,
    /// How many threads hash.
    pub threads: usize,
    /// How many passwords may wait.
    pub queue: usize,
}

impl Default for PasswordSettings {
    /// OWASP's parameters for argon2id.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1, threads: 1, queue: 256 }
    }
}

impl PasswordSettings {
    /// The least work there is: for tests and simulation, worthless as protection.
    pub fn weakest() -> Self {
        Self { memory_kib: Params::MIN_M_COST, passes: 1, ..Self::default() }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is right.
    pub ok: bool,
    /// Whether it is right and its hash was made with other parameters than today's, or from other
    /// characters: hash it anew.
    pub needs_rehash: bool,
}

/// Why there is no hash or verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many passwords are waiting already; worth trying again in a moment.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The stored hash cannot be read.
    #[error("the stored password hash cannot be read")]
    Unreadable,
    /// The computation failed, which would be a bug.
    #[error("password hashing failed")]
    Failed,
}

/// Why hashing cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No hash can be made with these settings.
    #[error("unusable password hash parameters: {0}")]
    Parameters(argon2::Error),
    /// The operating system gave no thread.
    #[error("cannot start a thread for password hashing: {0}")]
    Thread(#[from] std::io::Error),
}

/// Hashes and compares passwords. Dropping it ends its threads.
pub struct Passwords {
    params: Params,
    /// What the password of an unknown account is compared with.
    decoy: Stored,
    entropy: Arc<dyn Entropy>,
    place: Place,
    computed: Arc<AtomicU64>,
}

/// Where the work is done.
enum Place {
    /// In the caller, for simulation: other threads have no place in its one order of events.
    Inline(Mutex<Memory>),
    Threads(Pool),
}

impl Passwords {
    /// Starts the threads that hash.
    ///
    /// # Errors
    ///
    /// If the settings make no hash, or there is no thread to be had.
    pub fn start(
        settings: PasswordSettings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        Self::at(settings, entropy, Place::Threads(Pool::start(settings.threads, settings.queue)?))
    }

    /// Hashes in whoever asks, which blocks that thread.
    ///
    /// # Errors
    ///
    /// If the settings make no hash.
    pub fn inline(
        settings: PasswordSettings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        Self::at(settings, entropy, Place::Inline(Mutex::default()))
    }

    fn at(
        settings: PasswordSettings,
        entropy: Arc<dyn Entropy>,
        place: Place,
    ) -> Result<Self, StartError> {
        let PasswordSettings { memory_kib, passes, lanes, .. } = settings;
        let params = Params::new(memory_kib, passes, lanes, Some(Params::DEFAULT_OUTPUT_LEN))
            .map_err(StartError::Parameters)?;
        // Random bytes serve as the decoy's output: no password is known to give them.
        let mut output = [0_u8; Params::DEFAULT_OUTPUT_LEN];
        entropy.fill(&mut output);
        let decoy = Stored {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params.clone(),
            salt: random_salt(&*entropy),
            output: output.to_vec(),
        };
        Ok(Self { params, decoy, entropy, place, computed: Arc::default() })
    }

    /// A new hash, in the PHC string format. `from` is the client that has it made.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Busy`] if too many are waiting already.
    pub async fn hash(
        &self,
        password: SecretString,
        from: IpAddr,
    ) -> Result<String, PasswordError> {
        let params = self.params.clone();
        let salt = random_salt(&*self.entropy);
        let password = normalized(&password);
        self.run(from, move |desk| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let mut output = [0_u8; Params::DEFAULT_OUTPUT_LEN];
            desk.hash(&argon2, &password, &salt, &mut output)?;
            phc_string(argon2.params(), &salt, &output)
        })
        .await
    }

    /// Compares a password with a stored hash. `None` stands for an account that does not exist: it
    /// costs the same work and is always wrong.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Busy`] if too many are waiting already, [`PasswordError::Unreadable`] if the
    /// stored hash is not one of argon2.
    pub async fn verify(
        &self,
        password: SecretString,
        phc: Option<String>,
        from: IpAddr,
    ) -> Result<Verdict, PasswordError> {
        let is_known = phc.is_some();
        let stored = match phc {
            Some(phc) => Stored::parse(&phc)?,
            None => self.decoy.clone(),
        };
        let is_current = stored.is_current(&self.params);
        let composed = normalized(&password);
        self.run(from, move |desk| {
            let is_composed = composed.expose_secret() == password.expose_secret();
            let ok = black_box(stored.is_made_from(&composed, desk)?);
            let ok_as_given =
                !ok && !is_composed && black_box(stored.is_made_from(&password, desk)?);
            let ok = (ok || ok_as_given) && is_known;
            Ok(Verdict { ok, needs_rehash: ok && (ok_as_given || !is_current) })
        })
        .await
    }

    /// How many hashes have been computed, whatever for.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        from: IpAddr,
        work: impl FnOnce(&mut Desk<'_>) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let computed = Arc::clone(&self.computed);
        let work = move |memory: &mut Memory| work(&mut Desk { memory, computed: &computed });
        match &self.place {
            Place::Inline(memory) => {
                work(&mut memory.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Place::Threads(pool) => pool.run(from, work).await,
        }
    }
}

/// The password as it is compared.
fn normalized(password: &SecretString) -> SecretString {
    let text = password.expose_secret();
    if unicode_normalization::is_nfkc(text) {
        password.clone()
    } else {
        SecretString::from(text.nfkc().collect::<String>())
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

fn random_salt(entropy: &dyn Entropy) -> Vec<u8> {
    let mut salt = vec![0_u8; Salt::RECOMMENDED_LENGTH];
    entropy.fill(&mut salt);
    salt
}

fn phc_string(params: &Params, salt: &[u8], output: &[u8]) -> Result<String, PasswordError> {
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| PasswordError::Failed)?,
        salt: Some(Salt::new(salt).map_err(|_| PasswordError::Failed)?),
        hash: Some(Output::new(output).map_err(|_| PasswordError::Failed)?),
    };
    Ok(hash.to_string())
}

/// A stored hash, taken apart.
#[derive(Clone)]
struct Stored {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Stored {
    fn parse(phc: &str) -> Result<Self, PasswordError> {
        Self::parse_phc(phc)
            .filter(|stored| stored.params.m_cost() <= MAX_STORED_MEMORY_KIB)
            .ok_or(PasswordError::Unreadable)
    }

    fn parse_phc(phc: &str) -> Option<Self> {
        let hash = PasswordHash::new(phc).ok()?;
        Some(Self {
            algorithm: Algorithm::try_from(hash.algorithm.as_str()).ok()?,
            version: Version::try_from(hash.version?).ok()?,
            params: Params::try_from(&hash).ok()?,
            salt: hash.salt?.as_ref().to_vec(),
            output: hash.hash?.as_bytes().to_vec(),
        })
    }

    /// Whether it is what a new hash with these parameters would look like.
    fn is_current(&self, params: &Params) -> bool {
        matches!((self.algorithm, self.version), (Algorithm::Argon2id, Version::V0x13))
            && self.params.m_cost() == params.m_cost()
            && self.params.t_cost() == params.t_cost()
            && self.params.p_cost() == params.p_cost()
            && self.output.len() == Params::DEFAULT_OUTPUT_LEN
    }

    fn is_made_from(
        &self,
        password: &SecretString,
        desk: &mut Desk<'_>,
    ) -> Result<bool, PasswordError> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut output = vec![0_u8; self.output.len()];
        desk.hash(&argon2, password, &self.salt, &mut output)?;
        let [ours, theirs] = [&output, &self.output].map(|bytes| Output::new(bytes));
        // Equality of `Output` takes the same time wherever the two differ.
        Ok(ours.map_err(|_| PasswordError::Failed)? == theirs.map_err(|_| PasswordError::Failed)?)
    }
}

/// Where one hash is computed, and counted.
struct Desk<'a> {
    memory: &'a mut Memory,
    computed: &'a AtomicU64,
}

impl Desk<'_> {
    fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        password: &SecretString,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), PasswordError> {
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.memory.hash(argon2, password, salt, output)
    }
}

/// The blocks that a hash fills, kept from one to the next: fresh ones would cost page faults.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        password: &SecretString,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), PasswordError> {
        let count = argon2.params().block_count();
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        let blocks = self.0.get_mut(..count).ok_or(PasswordError::Failed)?;
        argon2
            .hash_password_into_with_memory(
                password.expose_secret().as_bytes(),
                salt,
                output,
                blocks,
            )
            .map_err(|_| PasswordError::Failed)
    }
}

type Job = Box<dyn FnOnce(Turn<'_>) + Send>;

/// What becomes of a job.
enum Turn<'a> {
    /// It is done.
    Work(&'a mut Memory),
    /// It had to make room for somebody else's.
    GiveWay,
}

/// Threads that take jobs from one bounded queue.
struct Pool {
    queue: Arc<FairQueue<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let mut pool = Self { queue: Arc::new(FairQueue::new(queue)), threads: Vec::new() };
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&pool.queue);
            let thread = std::thread::Builder::new().name("gittix-password".to_owned());
            pool.threads.push(thread.spawn(move || work_off(&queue))?);
        }
        Ok(pool)
    }

    async fn run<T: Send + 'static>(
        &self,
        from: IpAddr,
        work: impl FnOnce(&mut Memory) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |turn| match turn {
            // A caller that leaves while its hash is made no longer wants it.
            Turn::Work(memory) if !reply.is_closed() => drop(reply.send(work(memory))),
            Turn::Work(_) => {}
            Turn::GiveWay => drop(reply.send(Err(PasswordError::Busy))),
        });
        match self.queue.push(job, from) {
            Ok(None) => {}
            Ok(Some(removed)) => removed(Turn::GiveWay),
            Err(queue::Closed) => return Err(PasswordError::Failed),
        }
        answer.await.unwrap_or(Err(PasswordError::Failed))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
        // Callers borrow the pool, so the jobs still queued have none left and are skipped: the wait
        // is for one hash at most.
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                report(&*panic);
            }
        }
    }
}

fn work_off(queue: &FairQueue<Job>) {
    let mut memory = Memory::default();
    while let Some(job) = queue.pop() {
        // A panic costs its caller an answer; the thread and the others in the queue go on.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(Turn::Work(&mut memory)))) {
            memory = Memory::default();
            report(&*panic);
        }
    }
}

fn report(panic: &(dyn Any + Send)) {
    let reason = panic.downcast_ref::<&str>().copied().unwrap_or("unknown");
    tracing::error!(reason, "password hashing panicked");
}

#[cfg(test)]
mod tests;
