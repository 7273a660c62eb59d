//! Ports of services other than HTTP, where a request could do harm or reveal information.

/// The two ports below 1024 that webhooks are meant for.
const WEB_PORTS: [u16; 2] = [80, 443];

/// The first port that any program may open; those below belong to system services.
const FIRST_USER_PORT: u16 = 1024;

/// Well-known services above that, first to last port. There are two kinds: those that read the lines of an HTTP
/// request as commands or whose refusal reveals information (the list that browsers block is included here), and
/// those that give control over HTTP to anyone who can reach them.
#[rustfmt::skip]
const SERVICES: &[(u16, u16, &str)] = &[
    (1080, 1080, "SOCKS"),
    (1433, 1434, "SQL Server"),
    (1521, 1521, "Oracle"),
    (1719, 1720, "H.323"),
    (1723, 1723, "PPTP"),
    (1883, 1883, "MQTT"),
    (2049, 2049, "NFS"),
    (2181, 2181, "ZooKeeper"),
    (2375, 2377, "Docker"),
    (2379, 2380, "etcd"),
    (3128, 3128, "an HTTP proxy"),
    (3306, 3306, "MySQL"),
    (3389, 3389, "Remote Desktop"),
    (3659, 3659, "Apple's SASL"),
    (4045, 4045, "NFS locks"),
    (4190, 4190, "ManageSieve"),
    (4222, 4222, "NATS"),
    (4369, 4369, "Erlang's port mapper"),
    (5060, 5061, "SIP"),
    (5222, 5222, "XMPP"),
    (5432, 5432, "PostgreSQL"),
    (5672, 5672, "AMQP"),
    (5900, 5909, "VNC"),
    (5984, 5984, "CouchDB"),
    (5985, 5986, "WinRM"),
    (6000, 6063, "X11"),
    (6379, 6379, "Redis"),
    (6443, 6443, "Kubernetes"),
    (6566, 6566, "scanners"),
    (6660, 6669, "IRC"),
    (6679, 6679, "IRC"),
    (6697, 6697, "IRC"),
    (7000, 7001, "Cassandra"),
    (7474, 7474, "Neo4j"),
    (7687, 7687, "Neo4j"),
    (8086, 8086, "InfluxDB"),
    (8125, 8125, "StatsD"),
    (8200, 8200, "Vault"),
    (8300, 8302, "Consul"),
    (8500, 8500, "Consul"),
    (9042, 9042, "Cassandra"),
    (9092, 9092, "Kafka"),
    (9100, 9100, "printers"),
    (9200, 9200, "Elasticsearch"),
    (9300, 9300, "Elasticsearch"),
    (10080, 10080, "Amanda"),
    (10250, 10250, "Kubernetes"),
    (10255, 10255, "Kubernetes"),
    (11211, 11211, "memcached"),
    (15672, 15672, "RabbitMQ"),
    (27017, 27019, "MongoDB"),
];

/// The service that the port belongs to, if it is not one for webhooks.
pub(super) fn service(port: u16) -> Option<&'static str> {
    if WEB_PORTS.contains(&port) {
        return None;
    }
    if port < FIRST_USER_PORT {
        return Some("the system's services");
    }
    SERVICES
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&port))
        .map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_ports_are_free_and_services_are_named() {
        for port in [
            80, 443, 1024, 3000, 4443, 5000, 8000, 8080, 8443, 9000, 65535,
        ] {
            assert_eq!(service(port), None, "{port}");
        }
        for port in [0, 22, 25, 53, 81, 445, 1023] {
            assert_eq!(service(port), Some("the system's services"), "{port}");
        }
        assert_eq!(service(6379), Some("Redis"));
        assert_eq!(service(27018), Some("MongoDB"));
        assert_eq!(service(2376), Some("Docker"));
    }
}
