//! The lines of a file, one at a time, however long the file or a line is.
//!
//! A line is never taken into memory beyond its bound: what is longer is passed over and refused, and
//! the next line is read as if nothing had been.

use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

use super::schema_org;
use crate::actors::imports::{ImportLine, ImportVenue};

/// The most bytes of a line.
const LINE_BYTES: usize = 1024 * 1024;
/// The most cells of a line.
const CELLS: usize = 256;
const TOO_LONG: &str = "the line is longer than 1 MiB, or a quote in it is never closed";
const NOT_UTF8: &str = "the line is not UTF-8";
/// What stands between names in one cell.
const BETWEEN: char = ';';

/// What a line says, or why that can't be told.
#[derive(Debug)]
pub struct Numbered {
    /// The line's number, the first being 1.
    pub line: u64,
    /// What it says.
    pub said: Result<ImportLine, String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, with a header.
    Csv,
    /// A JSON object in each line.
    Json,
}

/// Reads a file line by line.
pub enum Lines<R> {
    /// Comma-separated values, with the columns of the header.
    Csv(Box<Records<R>>, Columns),
    /// A JSON object in each line.
    Json {
        /// The file.
        input: R,
        /// The number of the last line.
        line: u64,
    },
}

/// What stands in each column; `None` for one that is not known.
pub struct Columns(Vec<Option<Column>>);

macro_rules! columns {
    ($($column:ident $name:literal)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Column { $($column,)+ }

        impl Column {
            const ALL: &[(&str, Self)] = &[$(($name, Self::$column),)+];
        }
    };
}

columns! {
    ExternalId "externalId"
    Name "name"
    Category "category"
    Performers "performers"
    StartsAt "startsAt"
    EndsAt "endsAt"
    VenueId "venueExternalId"
    Venue "venueName"
    City "city"
    Region "region"
    Country "country"
    Zone "timeZone"
    Address "address"
    Sections "sections"
}

impl Columns {
    fn of(header: &[String]) -> Result<Self, String> {
        let plain = |name: &str| name.replace([' ', '_', '-'], "").to_lowercase();
        let mut found = Vec::new();
        for name in header {
            let known = Column::ALL.iter().find(|(known, _)| plain(known) == plain(name));
            let column = known.map(|(_, column)| *column);
            if column.is_some() && found.contains(&column) {
                return Err(format!(
                    "the header names {} twice",
                    known.map_or("", |(name, _)| name)
                ));
            }
            found.push(column);
        }
        let needed = [Column::ExternalId, Column::Name, Column::Category, Column::StartsAt];
        let missing = Column::ALL
            .iter()
            .find(|(_, column)| needed.contains(column) && !found.contains(&Some(*column)));
        match missing {
            Some((name, _)) => Err(format!("the header, its first line, has no column {name}")),
            None => Ok(Self(found)),
        }
    }

    /// A cell is text, whatever it begins with: nothing is ever computed.
    fn read(&self, cells: Vec<String>) -> Result<ImportLine, String> {
        if cells.len() != self.0.len() {
            let (cells, columns) = (cells.len(), self.0.len());
            return Err(format!("{cells} cells where the header has {columns} columns"));
        }
        let mut line = ImportLine::default();
        for (column, cell) in self.0.iter().zip(cells) {
            let Some(column) = column else { continue };
            let names = || cell.split(BETWEEN).map(str::trim).filter(|name| !name.is_empty());
            let ImportVenue { external_id, name, city, region, country, time_zone, .. } =
                &mut line.venue;
            match column {
                Column::ExternalId => line.external_id = Some(cell),
                Column::Name => line.name = Some(cell),
                Column::Category => line.category = Some(cell),
                Column::Performers => line.performers = names().map(str::to_owned).collect(),
                Column::StartsAt => line.starts_at = Some(cell),
                Column::EndsAt => line.ends_at = Some(cell),
                Column::VenueId => *external_id = Some(cell),
                Column::Venue => *name = Some(cell),
                Column::City => *city = Some(cell),
                Column::Region => *region = Some(cell),
                Column::Country => *country = Some(cell),
                Column::Zone => *time_zone = Some(cell),
                Column::Address => line.venue.address = Some(cell),
                Column::Sections => line.venue.sections = names().map(str::to_owned).collect(),
            }
        }
        Ok(line)
    }
}

impl<R: BufRead> Lines<R> {
    /// A file's lines. Of CSV the header is read.
    ///
    /// # Errors
    ///
    /// Why the file can't be read, or what its header lacks.
    pub fn new(input: R, format: Format) -> io::Result<Self> {
        match format {
            Format::Json => Ok(Self::Json { input, line: 0 }),
            Format::Csv => {
                let mut records = Records::new(input);
                let header = match records.next()? {
                    Some((_, header)) => header.map_err(invalid)?,
                    None => return Err(invalid("the file is empty")),
                };
                let columns = Columns::of(&header).map_err(invalid)?;
                Ok(Self::Csv(Box::new(records), columns))
            }
        }
    }

    /// The next line that is not empty.
    ///
    /// # Errors
    ///
    /// If the file can't be read.
    pub fn next(&mut self) -> io::Result<Option<Numbered>> {
        match self {
            Self::Csv(records, columns) => {
                let Some((line, cells)) = records.next()? else { return Ok(None) };
                let said = cells.map_err(str::to_owned).and_then(|cells| columns.read(cells));
                Ok(Some(Numbered { line, said }))
            }
            Self::Json { input, line } => loop {
                *line += 1;
                let Some(text) = next_line(input)? else { return Ok(None) };
                let said = match text.as_deref().map(str::from_utf8) {
                    None => Err(TOO_LONG.to_owned()),
                    Some(Err(_)) => Err(NOT_UTF8.to_owned()),
                    Some(Ok(text)) => {
                        let bare = text.strip_prefix('\u{feff}').filter(|_| *line == 1);
                        let text = bare.unwrap_or(text).trim();
                        if text.is_empty() {
                            continue;
                        }
                        schema_org::read(text)
                    }
                };
                return Ok(Some(Numbered { line: *line, said }));
            },
        }
    }
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// The next line without its end; `Some(None)` if it is too long.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let (mut line, mut is_long, mut is_there) = (Vec::new(), false, false);
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(is_there.then(|| Some(line).filter(|_| !is_long)));
        }
        is_there = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if line.len() + part.len() > LINE_BYTES {
            is_long = true;
            line = Vec::new();
        } else if !is_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(Some(line).filter(|_| !is_long)));
        }
    }
}

/// The records of a CSV file (RFC 4180), of bounded size.
pub struct Records<R> {
    input: R,
    parser: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// The number of the line that comes next.
    line: u64,
}

/// The cells of a record, with the number of its first line.
type Record = (u64, Result<Vec<String>, &'static str>);

impl<R: BufRead> Records<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            parser: csv_core::Reader::new(),
            output: vec![0; LINE_BYTES],
            ends: vec![0; CELLS],
            line: 1,
        }
    }

    /// The next record with the number of its first line.
    fn next(&mut self) -> io::Result<Option<Record>> {
        self.pass_empty_lines()?;
        let first = self.line;
        let (mut written, mut cells, mut fault) = (0, 0, None);
        loop {
            let buffer = self.input.fill_buf()?;
            let output = self.output.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, read, wrote, ended) = self.parser.read_record(buffer, output, ends);
            self.line += lines_in(buffer.get(..read).unwrap_or_default());
            self.input.consume(read);
            (written, cells) = (written + wrote, cells + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    fault = Some(TOO_LONG);
                    (written, cells) = (0, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    fault = Some("the line has more than 256 cells");
                    (written, cells) = (0, 0);
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        Ok(Some((first, fault.map_or_else(|| self.cells(cells), Err))))
    }

    fn cells(&self, count: usize) -> Result<Vec<String>, &'static str> {
        let mut start = 0;
        let mut cell = |end: &usize| {
            let bytes = self.output.get(start..*end).unwrap_or_default();
            start = *end;
            str::from_utf8(bytes).map(str::to_owned).map_err(|_| NOT_UTF8)
        };
        self.ends.iter().take(count).map(&mut cell).collect()
    }

    fn pass_empty_lines(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let empty: Vec<u8> = buffer.iter().copied().take_while(|byte| is_end(byte)).collect();
            let goes_on = !empty.is_empty() && empty.len() == buffer.len();
            self.line += lines_in(&empty);
            self.input.consume(empty.len());
            if !goes_on {
                return Ok(());
            }
        }
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').map(|_| 1).sum()
}

#[cfg(test)]
mod tests;
