//! The results of figures: kept as JSON, shown as text and as Markdown.

use std::{fmt::Write as _, path::Path};

use anyhow::Context;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// One figure, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) revision: String,
    pub(crate) date: String,
    pub(crate) machine: String,
    /// The load average over one minute when it ended, including its own processes.
    pub(crate) load: f64,
    /// How many processors were kept busy on average, while it ran, by other programs on the
    /// machine and by other machines on its host.
    #[serde(default)]
    pub(crate) others: Option<f64>,
    /// Made with `--short`.
    pub(crate) rehearsal: bool,
    pub(crate) content: Content,
}

/// The results of a figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) title: String,
    /// How to read the table.
    pub(crate) about: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Further tables from the same run.
    #[serde(default)]
    pub(crate) further: Vec<Table>,
    pub(crate) checks: Vec<Check>,
    /// Everything measured, unrounded.
    pub(crate) measured: serde_json::Value,
}

/// A table in addition to a figure's first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    /// How to read it.
    pub(crate) about: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A bound, and what was measured against it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) bound: String,
    pub(crate) measured: String,
    pub(crate) holds: bool,
}

impl Check {
    pub(crate) fn new(
        what: impl Into<String>,
        bound: impl Into<String>,
        measured: impl Into<String>,
        holds: bool,
    ) -> Self {
        Self {
            what: what.into(),
            bound: bound.into(),
            measured: measured.into(),
            holds,
        }
    }

    fn verdict(&self) -> &'static str {
        if self.holds { "kept" } else { "MISSED" }
    }
}

impl Figure {
    pub(crate) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}.json", self.name));
        std::fs::write(&file, serde_json::to_vec_pretty(self)?)
            .with_context(|| file.display().to_string())
    }
}

/// Every figure that is kept.
pub(crate) fn load_all(folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for name in Name::value_variants() {
        let file = folder.join(format!("{name}.json"));
        if let Ok(bytes) = std::fs::read(&file) {
            let figure = serde_json::from_slice(&bytes);
            figures.push(figure.with_context(|| file.display().to_string())?);
        }
    }
    Ok(figures)
}

pub(crate) fn print(text: &str) {
    #[allow(clippy::print_stdout)] // Tables, ports and outcomes are what these programs print.
    {
        println!("{text}");
    }
}

/// A table for a terminal.
pub(crate) fn text(figure: &Figure) -> String {
    let content = &figure.content;
    let mut text = format!("\n{}: {}\n", figure.name, content.title);
    text.push_str(&table(&content.columns, &content.rows, 1));
    for further in &content.further {
        text.push('\n');
        text.push_str(&table(&further.columns, &further.rows, 1));
    }
    if content.checks.is_empty() {
        return text;
    }
    let mut checks = Vec::new();
    for check in &content.checks {
        checks.push(vec![
            check.verdict().to_owned(),
            check.what.clone(),
            check.bound.clone(),
            check.measured.clone(),
        ]);
    }
    text.push('\n');
    let columns = ["bound", "of", "wanted", "measured"].map(str::to_owned);
    text.push_str(&table(&columns, &checks, 2));
    text
}

/// Formats a table: the first `names` columns are left-aligned, numbers right-aligned.
fn table(columns: &[String], rows: &[Vec<String>], names: usize) -> String {
    let width = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index));
        let widths = cells
            .chain(columns.get(index))
            .map(|cell| cell.chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(columns).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            if index >= names {
                line.push_str(&format!("{pad}{cell}  "));
            } else {
                line.push_str(&format!("{cell}{pad}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The tables of all figures.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    figures.iter().map(section).collect()
}

/// The tables of a figure, below its heading.
fn section(figure: &Figure) -> String {
    let content = &figure.content;
    let mut text = format!("{HEADING}{}\n\n{}\n\n", content.title, content.about);
    text.push_str(&markdown_table(&content.columns, &content.rows));
    for further in &content.further {
        let _ = writeln!(text, "\n{}\n", further.about);
        text.push_str(&markdown_table(&further.columns, &further.rows));
    }
    let checks: Vec<Vec<String>> = content
        .checks
        .iter()
        .map(|check| {
            let verdict = if check.holds { "kept" } else { "**missed**" };
            vec![
                check.what.clone(),
                check.bound.clone(),
                check.measured.clone(),
                verdict.to_owned(),
            ]
        })
        .collect();
    if !checks.is_empty() {
        text.push('\n');
        let columns = ["bound", "wanted", "measured", ""].map(str::to_owned);
        text.push_str(&markdown_table(&columns, &checks));
    }
    let others = figure.others.map_or_else(String::new, |others| {
        format!("; meanwhile other programs kept {others:.1} processors busy")
    });
    let rehearsal = if figure.rehearsal {
        " A rehearsal with `--short`: not numbers to rely on."
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "\n`scripts/bench {}` on {} at revision {}; {}{others}.{rehearsal}\n",
        figure.name, figure.date, figure.revision, figure.machine,
    );
    text
}

fn markdown_table(columns: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns);
    text.push_str(&line(&vec!["---".to_owned(); columns.len()]));
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

const HEADING: &str = "### ";
const BEGIN: &str = "<!-- figures: written by scripts/bench --write, do not edit -->\n";
const END: &str = "<!-- end of figures -->";

/// Replaces the sections of these figures between the markers of a file. Other figures' sections
/// stay.
pub(crate) fn write_between_markers(file: &Path, figures: &[Figure]) -> anyhow::Result<()> {
    let shown = file.display().to_string();
    let old = std::fs::read_to_string(file).with_context(|| shown.clone())?;
    let marker = |text: &str| format!("{shown} has no line {:?}", text.trim());
    let (before, rest) = old.split_once(BEGIN).with_context(|| marker(BEGIN))?;
    let (old, after) = rest.split_once(END).with_context(|| marker(END))?;
    let mut sections: Vec<String> = old
        .trim_start()
        .split(&format!("\n{HEADING}"))
        .map(|section| section.trim_start_matches(HEADING))
        .filter(|section| !section.trim().is_empty())
        .map(|section| format!("{HEADING}{}\n\n", section.trim_end()))
        .collect();
    for figure in figures {
        let heading = format!("{HEADING}{}\n", figure.content.title);
        let new = section(figure);
        match sections.iter_mut().find(|old| old.starts_with(&heading)) {
            Some(old) => *old = new,
            None => sections.push(new),
        }
    }
    let figures: String = sections.concat();
    std::fs::write(file, format!("{before}{BEGIN}\n{figures}{END}{after}"))
        .with_context(|| shown.clone())
}

/// A rate as a whole number with thousands separators.
pub(crate) fn rate(per_second: f64) -> String {
    let digits = format!("{per_second:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn ms(milliseconds: f64) -> String {
    format!("{milliseconds:.2} ms")
}

pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / 1024.0 / 1024.0)
}
