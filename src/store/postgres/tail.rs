//! What goes on in the background: following the log's head, holding the lease of the only server,
//! counting, sweeping.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::{Client, Error};

use super::connect::told;
use super::shared::Shared;
use crate::store::contract::Index;

/// How often the log's head is looked at, which is what all that follows the log rests on.
const LOOK: Duration = Duration::from_millis(20);
/// How often the lease is prolonged.
const BEAT: Duration = Duration::from_secs(1);
/// How long it lasts without that.
const LEASE: Duration = Duration::from_secs(3);
/// How often entries are counted anew.
const COUNT: Duration = Duration::from_secs(5);
/// How often rows of batches are swept whose outcome nobody can ask for any more.
const SWEEP: Duration = Duration::from_secs(60);
/// How long the database may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long after a failure it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

const HEAD: &str = "select seq from gittix_head where one = 1";
const BEGIN_LEASE: &str = "\
insert into gittix_leases (name, holder, number, until)
values ('server', $1, 1, now() + $2::int8 * interval '1 millisecond')
on conflict (name) do update set holder = excluded.holder,
    number = gittix_leases.number + 1, until = excluded.until
where gittix_leases.until < now() or gittix_leases.holder = excluded.holder
returning number";
const END_LEASE: &str = "\
update gittix_leases set until = now() where name = 'server' and holder = $1";
const SWEEP_BATCHES: &str = "\
delete from gittix_batches where id in
    (select id from gittix_batches where at < now() - interval '1 hour' limit 100000)";
const COUNT_INDEX: &str = "select count(*) from gittix_entries where place >= $1 and place < $2";

/// Whether this server now is the only one that may work on the database.
///
/// # Errors
///
/// It could not be asked.
pub async fn holds_lease(client: &Client, node: &[u8]) -> Result<bool, Error> {
    let lasts = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    Ok(client.query_opt(BEGIN_LEASE, &[&node, &lasts]).await?.is_some())
}

/// Waits until the lease of a server that ended without a word has run out.
///
/// # Errors
///
/// Another server is at work.
pub async fn take_lease(client: &Client, node: &[u8]) -> Result<(), String> {
    let until = Instant::now() + LEASE.saturating_mul(2);
    let mut has_told = false;
    while !holds_lease(client, node).await.map_err(|error| told(&error))? {
        if Instant::now() > until {
            return Err("another server works on it; only one may at a time".to_owned());
        }
        if !has_told {
            tracing::info!("another server has the database; waiting for its lease to end");
            has_told = true;
        }
        sleep(PAUSE).await;
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

/// Follows the database until the store is closed, then gives the lease back.
pub async fn follow(shared: Arc<Shared>, mut closed: oneshot::Receiver<()>) {
    let mut client = None;
    while shared.failure().is_none() {
        let ended = tokio::select! {
            ended = Box::pin(connected(&shared, &mut client)) => ended,
            _ = &mut closed => {
                if let (Some(client), Some(node)) = (&client, shared.holder()) {
                    // The lease ends by itself as well.
                    let _ = timeout(ANSWER_WITHIN, client.execute(END_LEASE, &[&node])).await;
                }
                return;
            }
        };
        client = None;
        if let Err(why) = ended {
            shared.is_gone(&why);
            sleep(PAUSE).await;
        }
    }
}

/// Follows the database over one connection until that ends.
async fn connected(shared: &Shared, client: &mut Option<Client>) -> Result<(), String> {
    let made = shared.address.connect().await.map_err(|error| told(&error))?;
    let client = client.insert(made);
    let sql = client.prepare(HEAD).await.map_err(|error| told(&error))?;
    let (mut looks, mut beats) = (interval(LOOK), interval(BEAT));
    let (mut counts, mut sweeps) = (interval(COUNT), interval(SWEEP));
    for each in [&mut looks, &mut beats, &mut counts, &mut sweeps] {
        each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let work = async {
            tokio::select! {
                biased;
                _ = beats.tick() => beat(client, shared).await?,
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

async fn beat(client: &Client, shared: &Shared) -> Result<(), Error> {
    if let Some(node) = shared.holder()
        && !holds_lease(client, node).await?
    {
        shared.fail("another server has taken over the database".to_owned());
    }
    Ok(())
}
