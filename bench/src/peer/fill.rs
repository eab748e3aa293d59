//! Fills a database with a world, once, and copies it for every run.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::database::Server;
use crate::world::World;

/// The database that is copied.
const FILLED: &str = "filled";
/// The copy that is served.
pub const SERVED: &str = "served";
/// How much is sent at a time, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Makes the database that is copied. Of a world only the available tickets, the sellers and the
/// buyers are of interest to the peer.
pub async fn fill(server: &Server, world: &World) -> anyhow::Result<()> {
    let mut admin = server.connect("postgres").await?;
    recreate(&mut admin, SERVED, None).await?;
    recreate(&mut admin, FILLED, None).await?;
    let mut connection = server.connect(FILLED).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut connection).await?;
    let people = world.people().map(|person| {
        format!("{}\t{}\t2026-01-01Z\n", Uuid::from_u128(person.id.as_u128()), person.email)
    });
    copy_in(&mut connection, "COPY users (id, email, created_at) FROM STDIN", people).await?;
    let tickets = (0..world.available).map(|place| {
        let ticket = world.listing(place);
        let mut line = String::new();
        let _ = writeln!(
            line,
            "{}\t{}\t{}\t{}\t0\t0\t{created}\t{created}",
            Uuid::from_u128(ticket.id.as_u128()),
            Uuid::from_u128(ticket.seller.as_u128()),
            ticket.title.as_str(),
            ticket.price.minor(),
            created = ticket.created_at,
        );
        line
    });
    let into = "COPY tickets (id, seller_id, title, price_minor, status, version, created_at, \
                updated_at) FROM STDIN";
    copy_in(&mut connection, into, tickets).await?;
    sqlx::raw_sql(include_str!("indexes.sql")).execute(&mut connection).await?;
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut connection).await?;
    Ok(())
}

/// Makes the database that is served anew.
pub async fn copy(server: &Server) -> anyhow::Result<()> {
    let mut admin = server.connect("postgres").await?;
    recreate(&mut admin, SERVED, Some(FILLED)).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&mut admin).await?;
    Ok(())
}

async fn recreate(
    admin: &mut PgConnection,
    name: &'static str,
    template: Option<&'static str>,
) -> anyhow::Result<()> {
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut *admin).await?;
    let template =
        template.map_or(String::new(), |of| format!(" TEMPLATE {of} STRATEGY FILE_COPY"));
    let create = format!("CREATE DATABASE {name}{template}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(admin).await?;
    Ok(())
}

async fn copy_in(
    connection: &mut PgConnection,
    into: &str,
    lines: impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let mut copy = connection.copy_in_raw(into).await?;
    let mut chunk = String::with_capacity(2 * CHUNK_BYTES);
    for line in lines {
        chunk.push_str(&line);
        if chunk.len() >= CHUNK_BYTES {
            copy.send(chunk.as_bytes()).await?;
            chunk.clear();
        }
    }
    copy.send(chunk.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}
