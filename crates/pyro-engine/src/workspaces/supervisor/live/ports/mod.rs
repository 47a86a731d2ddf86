//! The ports of the machine there is.
//!
//! Owns: which ports are open and whose they are, the bound on connections,
//! when one was last used. Refuses: addresses other than 127.0.0.1; moving
//! bytes (listener.rs).
//!
//! ```text
//!   publish --> listener --accept--> connection ==stream==> agent
//!   unpublish, unpublish_owner, another machine or none --> both closed
//! ```

mod listener;

use super::{Live, leaving, lock};
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::workspaces::ports::payloads::{HOST, OwnedPort, PortRow, PublishedPort};
use crate::workspaces::ports::{Owner, PortWish, unknown};
use listener::Port;
use pyro_proto::reactor::Reactor;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Most ports of one workspace.
const MOST_PORTS: usize = 64;

/// The ports there are.
pub(super) struct Ports {
    table: Mutex<Table>,
    use_of_all: Arc<UseOfAll>,
}

#[derive(Default)]
struct Table {
    /// By port of this host.
    open: BTreeMap<u16, Arc<Port>>,
    /// Its thread starts with the first port.
    reactor: Option<Reactor>,
}

/// What all ports of the workspace share.
struct UseOfAll {
    connections: AtomicUsize,
    last_traffic: Mutex<Instant>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            use_of_all: Arc::new(UseOfAll {
                connections: AtomicUsize::new(0),
                last_traffic: Mutex::new(Instant::now()),
            }),
        }
    }
}

impl Ports {
    /// When bytes last went through any of them.
    pub(super) fn last_traffic(&self) -> Instant {
        *lock(&self.use_of_all.last_traffic)
    }

    /// What is told of them.
    pub(super) fn published(&self) -> Vec<OwnedPort> {
        lock(&self.table)
            .open
            .values()
            .map(|port| port.row().port)
            .collect()
    }

    /// Closes all, with their connections. Does not wait for those.
    pub(super) fn close_all(&self) {
        self.close(|_| true);
    }

    /// How many there were of those.
    fn close(&self, whether: impl Fn(&Port) -> bool) -> usize {
        let mut table = lock(&self.table);
        let before = table.open.len();
        table.open.retain(|_, port| {
            let goes = whether(port);
            if goes {
                port.close();
            }
            !goes
        });
        let closed = before - table.open.len();
        if closed > 0
            && let Some(reactor) = &table.reactor
        {
            reactor.sweep();
        }
        closed
    }
}

impl Table {
    fn open(&mut self, port: Port, guest: Arc<Guest>, use_of_all: &Arc<UseOfAll>) -> Result<()> {
        let reactor = match &self.reactor {
            Some(reactor) => reactor.clone(),
            None => {
                let started = Reactor::start("ports").map_err(|error| {
                    Error::runtime("io", format!("no thread for published ports: {error}"))
                })?;
                self.reactor.insert(started).clone()
            }
        };
        let port = Arc::new(port);
        self.open.insert(port.published.host_port, port.clone());
        reactor.add(port.listener(guest, use_of_all.clone(), reactor.clone()));
        Ok(())
    }
}

impl Live {
    /// Opens a port of this host for `owner`.
    pub(in crate::workspaces::supervisor) fn publish(
        &self,
        owner: &Owner,
        guest_port: u16,
        host_port: Option<u16>,
    ) -> Result<PublishedPort> {
        let wish = PortWish {
            guest_port,
            host_port,
        };
        let wish = wish.check()?;
        let guest = self.guest_for_command()?;
        let published = {
            let mut table = lock(&self.ports.table);
            // Another machine closes what is in the table, so nothing of the
            // one before may come in afterwards.
            if !self.is_current(&guest) {
                return Err(leaving());
            }
            self.admit(&table, wish)?;
            let port = Port::open(owner.clone(), wish)
                .map_err(|error| in_use(wish, &self.folder.id, &error))?;
            let published = port.published.clone();
            table.open(port, guest, &self.ports.use_of_all)?;
            published
        };
        if let Err(error) = self.write_ports_down() {
            self.close_where(|port| port.published == published);
            return Err(error);
        }
        Ok(published)
    }

    fn admit(&self, table: &Table, wish: PortWish) -> Result<()> {
        let id = &self.folder.id;
        if let Some(port) = wish.host_port.and_then(|port| table.open.get(&port)) {
            let PublishedPort {
                host_port,
                guest_port,
                ..
            } = port.published;
            return Err(Error::invalid(
                "port_published",
                format!("port {host_port} of {HOST} leads to port {guest_port} of workspace {id} already"),
            )
            .hint(format!("see pyro workspace port list {id}")));
        }
        if table.open.len() >= MOST_PORTS {
            return Err(Error::runtime(
                "too_many_ports",
                format!("workspace {id} has {MOST_PORTS} published ports, which is the most"),
            )
            .hint(format!(
                "close one: pyro workspace port unpublish {id} HOST_PORT"
            )));
        }
        Ok(())
    }

    /// Closes one of `owner`'s, with its connections.
    pub(in crate::workspaces::supervisor) fn unpublish(
        &self,
        owner: &Owner,
        host_port: u16,
    ) -> Result<PublishedPort> {
        let found = lock(&self.ports.table).open.get(&host_port).cloned();
        let port = found.ok_or_else(|| unknown(host_port, &self.folder.id))?;
        if port.owner != *owner {
            let id = &self.folder.id;
            return Err(match &port.owner {
                Owner::Service(name) => Error::invalid(
                    "port_of_service",
                    format!("port {host_port} belongs to service {name}"),
                )
                .hint(format!(
                    "it goes with the service: pyro workspace service stop {id} {name}"
                )),
                Owner::Hand => unknown(host_port, id),
            });
        }
        self.close_where(|open| open.published == port.published);
        Ok(port.published.clone())
    }

    /// Closes all of `owner`'s, with their connections.
    pub(in crate::workspaces::supervisor) fn unpublish_owner(&self, owner: &Owner) {
        self.close_where(|port| port.owner == *owner);
    }

    fn close_where(&self, whether: impl Fn(&Port) -> bool) {
        if self.ports.close(whether) > 0
            && let Err(error) = self.write_ports_down()
        {
            tracing::warn!("the record was not written: {error}");
        }
    }

    /// For those who look at the record, and do not ask.
    fn write_ports_down(&self) -> Result<()> {
        self.change(|record| record.published_ports = self.ports.published())
    }

    pub(in crate::workspaces::supervisor) fn list_ports(&self) -> Vec<PortRow> {
        lock(&self.ports.table)
            .open
            .values()
            .map(|port| port.row())
            .collect()
    }
}

impl UseOfAll {
    fn used(&self) {
        *lock(&self.last_traffic) = Instant::now();
    }

    /// One more, unless that is too many.
    fn enter(&self, most: usize) -> bool {
        let entered = |count: usize| (count < most).then_some(count + 1);
        self.connections
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, entered)
            .is_ok()
    }

    fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

fn in_use(wish: PortWish, id: &str, error: &rustix::io::Errno) -> Error {
    let guest_port = wish.guest_port;
    match wish.host_port {
        Some(port) if *error == rustix::io::Errno::ADDRINUSE => Error::runtime(
            "port_in_use",
            format!("port {port} of {HOST} is in use on this host"),
        )
        .hint(format!(
            "end what listens there (ss -ltnp 'sport = :{port}'), or let pyro choose: pyro workspace port publish {id} {guest_port}"
        )),
        _ => Error::runtime("io", format!("no port of {HOST} can be opened: {error}"))
            .hint("try again, or another port"),
    }
}
