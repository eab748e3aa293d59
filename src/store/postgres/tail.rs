//! What goes on in the background: following the log's head and the database's clock, counting, sweeping.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::{Client, Error};

use super::connect::told;
use super::schema;
use super::shared::Shared;
use crate::store::contract::Index;

/// How often the log's head is looked at, which is what all that follows the log rests on.
const LOOK: Duration = Duration::from_millis(20);
/// How often the database is asked what time it is.
const TIME: Duration = Duration::from_secs(1);
/// How often entries are counted anew.
const COUNT: Duration = Duration::from_secs(5);
/// How often rows of batches are swept whose outcome nobody can ask for any more.
const SWEEP: Duration = Duration::from_secs(60);
/// How long the database may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long after a failure it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

const HEAD: &str = "select seq from gittix_head where one = 1";
const NOW: &str = "select (extract(epoch from clock_timestamp()) * 1000)::int8, \
                   (select format from gittix_format where one = 1)";
const SWEEP_BATCHES: &str = "\
delete from gittix_batches where id in
    (select id from gittix_batches where at < now() - interval '1 hour' limit 100000)";
const COUNT_INDEX: &str = "select count(*) from gittix_entries where place >= $1 and place < $2";

/// Asks the database what time it is, and whether its tables still are what this release knows.
///
/// # Errors
///
/// It could not be asked.
pub async fn tell_time(client: &Client, shared: &Shared) -> Result<(), Error> {
    let asked = Instant::now();
    let row = client.query_one(NOW, &[]).await?;
    shared.time_is(row.try_get(0)?, asked);
    if let Err(why) = schema::to_be_done(row.try_get(1)?) {
        shared.fail(why);
    }
    Ok(())
}

/// The number of the log's last entry.
///
/// # Errors
///
/// It could not be asked.
pub async fn head(client: &Client) -> Result<u64, Error> {
    Ok(client.query_one(HEAD, &[]).await?.try_get::<_, i64>(0)?.cast_unsigned())
}

/// Counts the entries of the indexes whose size operators want to know.
///
/// # Errors
///
/// They could not be counted.
pub async fn count(client: &Client, shared: &Shared) -> Result<(), Error> {
    for index in shared.counted() {
        let (Index(from), to) = (index, index.0.saturating_add(1));
        let row = client.query_one(COUNT_INDEX, &[&[from].as_slice(), &[to].as_slice()]).await?;
        shared.set_count(index, row.try_get(0)?);
    }
    Ok(())
}

/// Follows the database until the store is closed.
pub async fn follow(shared: Arc<Shared>, mut closed: oneshot::Receiver<()>) {
    while shared.failure().is_none() {
        let ended = tokio::select! {
            ended = Box::pin(connected(&shared)) => ended,
            _ = &mut closed => return,
        };
        if let Err(why) = ended {
            shared.is_gone(&why);
            sleep(PAUSE).await;
        }
    }
}

/// Follows the database over one connection until that ends.
async fn connected(shared: &Shared) -> Result<(), String> {
    let client = &shared.address.connect().await.map_err(|error| told(&error))?;
    let sql = client.prepare(HEAD).await.map_err(|error| told(&error))?;
    let (mut looks, mut times) = (interval(LOOK), interval(TIME));
    let (mut counts, mut sweeps) = (interval(COUNT), interval(SWEEP));
    for each in [&mut looks, &mut times, &mut counts, &mut sweeps] {
        each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let work = async {
            tokio::select! {
                biased;
                _ = times.tick() => tell_time(client, shared).await?,
                _ = sweeps.tick() => { client.execute(SWEEP_BATCHES, &[]).await?; }
                _ = counts.tick() => count(client, shared).await?,
                _ = looks.tick() => {
                    let row = client.query_one(&sql, &[]).await?;
                    shared.is_there(row.try_get::<_, i64>(0)?.cast_unsigned());
                }
            }
            Ok::<_, Error>(())
        };
        match timeout(ANSWER_WITHIN, work).await {
            Ok(Ok(())) if shared.failure().is_some() => return Ok(()),
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(told(&error)),
            Err(_) => return Err("it does not answer".to_owned()),
        }
    }
}
