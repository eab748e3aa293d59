//! Rows in PostgreSQL: the narrow contract on six generic tables, so that a resource that is added
//! later needs nothing here.
//!
//! Commits queue up and are written as batches by one or two lanes, each a connection of its own
//! ([`lane`]). A batch is one transaction of two round trips ([`trips`]) around a decision in
//! memory ([`batch`]). Reads go over a bounded pool ([`reads`]). In the background the log's head
//! is followed ([`tail`]).
//!
//! A database that is gone for a while is no failure: what was not written is refused, what may
//! have been is looked up once it is back, and all goes on by itself.

mod batch;
mod connect;
mod keys;
mod lane;
mod reads;
mod schema;
mod shared;
mod tail;
mod trips;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::connect::{Address, told};
use self::lane::{Lane, Pending};
use self::shared::Shared;
use crate::store::contract::{Found, Index, Read, Refused, RowCommit, Rows};
use crate::store::{CommitError, ReadError};

/// How long a read waits for a connection of the pool.
const READ_WAITS: Duration = Duration::from_secs(2);

/// How a store in PostgreSQL is opened.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host1:port,host2:port/database`.
    pub url: String,
    /// A number that no other server has, nor this one after its next start.
    pub node: u128,
    /// The currency of all prices, which a database keeps to.
    pub currency: String,
    /// How many commits may wait to be written.
    pub queue: usize,
    /// How many connections write.
    pub lanes: u16,
    /// How many connections read.
    pub readers: usize,
    /// The indexes whose entries are counted.
    pub counted: Vec<Index>,
}

/// Why a database can't be used.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// The URL is wrong.
    #[error("not the URL of a PostgreSQL database: {0}")]
    Url(String),
    /// It could not be reached, or is not what it must be.
    #[error("{address}: {why}")]
    Refused {
        /// Its hosts and its name.
        address: String,
        /// What is wrong.
        why: String,
    },
}

/// Rows in PostgreSQL.
#[derive(Debug)]
pub struct PostgresRows {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Pending>,
    pool: Pool,
    /// Ends with the store.
    _lanes: JoinSet<()>,
    /// Tells the one that follows the database that the store is closed.
    _closed: oneshot::Sender<()>,
}

impl PostgresRows {
    /// Opens the store, whose tables are made if there are none.
    ///
    /// # Errors
    ///
    /// The database can't be used.
    pub async fn open(settings: PostgresSettings) -> Result<Self, PostgresError> {
        let address = Address::parse(&settings.url).map_err(PostgresError::Url)?;
        let shared = Arc::new(Shared::new(address, settings.node, &settings.counted));
        let refused = |why| PostgresError::Refused { address: shared.address.shown(), why };
        Box::pin(begin(&shared, &settings.currency)).await.map_err(refused)?;
        let pool = pool(&shared.address, settings.readers).map_err(refused)?;
        let (queue, queued) = mpsc::channel(settings.queue.max(1));
        let queued = Arc::new(tokio::sync::Mutex::new(queued));
        let mut lanes = JoinSet::new();
        for number in 0..settings.lanes.max(1) {
            let (shared, queue) = (shared.clone(), queued.clone());
            lanes.spawn(Lane { shared, queue, number, connection: None, batches: 0 }.run());
        }
        let (closed, closing) = oneshot::channel();
        tokio::spawn(tail::follow(shared.clone(), closing));
        Ok(Self { shared, queue, pool, _lanes: lanes, _closed: closed })
    }

    /// The database's time, in milliseconds since 1970: what all servers on it agree on.
    pub fn now_millis(&self) -> i64 {
        self.shared.now_millis()
    }

    /// Where the database is, without secrets.
    pub fn address(&self) -> String {
        self.shared.address.shown()
    }
}

/// What is done before anything is asked.
async fn begin(shared: &Shared, currency: &str) -> Result<(), String> {
    let failed = |error| told(&error);
    let mut client = shared.address.connect().await.map_err(failed)?;
    schema::prepare(&mut client, currency).await?;
    tail::tell_time(&client, shared).await.map_err(failed)?;
    tail::count(&client, shared).await.map_err(failed)?;
    shared.is_there(tail::head(&client).await.map_err(failed)?);
    Ok(())
}

fn pool(address: &Address, size: usize) -> Result<Pool, String> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(address.config(), address.clone(), config);
    let pool = Pool::builder(manager)
        .max_size(size.max(1))
        .wait_timeout(Some(READ_WAITS))
        .create_timeout(Some(READ_WAITS))
        .runtime(Runtime::Tokio1);
    pool.build().map_err(|error| error.to_string())
}

#[async_trait]
impl Rows for PostgresRows {
    async fn commit(&self, commit: RowCommit) -> Result<(), Refused> {
        if self.shared.failure().or_else(|| self.shared.trouble()).is_some() {
            return Err(Refused::Store(CommitError::Unavailable));
        }
        let (answer, answered) = oneshot::channel();
        let pending = Pending { commit, answer, since: Instant::now() };
        let queued = self.queue.try_send(pending);
        queued.map_err(|_| Refused::Store(CommitError::Overloaded))?;
        // A lane that ends without an answer leaves it open.
        answered.await.unwrap_or(Err(Refused::Store(CommitError::OutcomeUnknown)))
    }

    async fn read(&self, questions: &[Read]) -> Result<Vec<Found>, ReadError> {
        Box::pin(reads::answer(&self.pool, questions)).await
    }

    async fn log(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        Box::pin(reads::log(&self.pool, after, limit)).await
    }

    fn last_logged(&self) -> watch::Receiver<u64> {
        self.shared.last_logged()
    }

    fn count(&self, index: Index) -> u64 {
        self.shared.count(index)
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    async fn failed(&self) -> String {
        self.shared.failed().await
    }
}

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
