//! Completion scripts and man pages, from the same tree as the parser.

use crate::output::{Ended, Stream};
use crate::{failure, output, tree};
use clap::ArgMatches;
use clap_complete::Shell;
use pyro::{Cancel, Error};
use std::path::PathBuf;

pub fn completions(matches: &ArgMatches) -> u8 {
    let Some(shell) = matches.get_one::<Shell>("shell") else {
        return 2;
    };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut tree::tree(), "pyro", &mut script);
    match Stream::Stdout.write(&script, &Cancel::default()) {
        Ok(()) => 0,
        Err(Ended::Pipe) => output::BROKEN_PIPE,
        Err(ended) => failure::show(&ended.into_error(), false),
    }
}

pub fn man(matches: &ArgMatches) -> u8 {
    let Some(folder) = matches.get_one::<PathBuf>("out") else {
        return 2;
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(tree::tree(), folder));
    match written {
        Ok(()) => 0,
        Err(error) => failure::show(&Error::io("write man pages to", folder)(error), false),
    }
}
