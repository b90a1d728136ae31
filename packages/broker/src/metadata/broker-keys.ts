// Every broker config key of Kafka 4.3, one a line: name, type, `ro` (needs a restart) or `rw`, `!` for a secret, and
// the default, left out where it is null. Most have no effect here; knowing them keeps a server.properties written
// for Kafka loadable, and tells a foreign key from a misspelt one.

/** See the head of this file. */
export const KAFKA_BROKER_KEYS: string = `
add.partitions.to.txn.retry.backoff.max.ms INT ro 100
add.partitions.to.txn.retry.backoff.ms INT ro 20
advertised.listeners LIST ro
alter.config.policy.class.name CLASS ro
alter.log.dirs.replication.quota.window.num INT ro 11
alter.log.dirs.replication.quota.window.size.seconds INT ro 1
authorizer.class.name STRING ro 
auto.create.topics.enable BOOLEAN ro true
auto.leader.rebalance.enable BOOLEAN ro true
background.threads INT rw 10
broker.heartbeat.interval.ms INT ro 2000
broker.id INT ro -1
broker.rack STRING ro
broker.session.timeout.ms INT ro 9000
client.quota.callback.class CLASS ro
compression.gzip.level INT rw -1
compression.lz4.level INT rw 9
compression.type STRING rw producer
compression.zstd.level INT rw 3
config.providers LIST rw 
connection.failed.authentication.delay.ms INT ro 100
connections.max.idle.ms LONG ro 600000
connections.max.reauth.ms LONG ro 0
controlled.shutdown.enable BOOLEAN ro true
controller.listener.names LIST ro
controller.quorum.append.linger.ms INT ro 25
controller.quorum.auto.join.enable BOOLEAN ro false
controller.quorum.bootstrap.servers LIST ro 
controller.quorum.election.backoff.max.ms INT ro 1000
controller.quorum.election.timeout.ms INT ro 1000
controller.quorum.fetch.max.bytes INT ro 1048576
controller.quorum.fetch.snapshot.max.bytes INT ro 1048576
controller.quorum.fetch.timeout.ms INT ro 2000
controller.quorum.request.timeout.ms INT ro 2000
controller.quorum.retry.backoff.ms INT ro 20
controller.quorum.voters LIST ro 
controller.quota.window.num INT ro 11
controller.quota.window.size.seconds INT ro 1
controller.socket.timeout.ms INT ro 30000
cordoned.log.dirs LIST rw 
create.topic.policy.class.name CLASS ro
default.replication.factor INT ro 1
delegation.token.expiry.check.interval.ms LONG ro 3600000
delegation.token.expiry.time.ms LONG ro 86400000
delegation.token.max.lifetime.ms LONG ro 604800000
delegation.token.secret.key PASSWORD ro!
delete.records.purgatory.purge.interval.requests INT ro 1
delete.topic.enable BOOLEAN ro true
early.start.listeners LIST ro
fetch.max.bytes INT ro 57671680
fetch.purgatory.purge.interval.requests INT ro 1000
follower.fetch.last.tiered.offset.enable BOOLEAN rw false
group.consumer.assignment.interval.ms INT rw 1000
group.consumer.assignors LIST ro uniform,range
group.consumer.heartbeat.interval.ms INT ro 5000
group.consumer.max.assignment.interval.ms INT ro 15000
group.consumer.max.heartbeat.interval.ms INT ro 15000
group.consumer.max.session.timeout.ms INT ro 60000
group.consumer.max.size INT ro 2147483647
group.consumer.migration.policy STRING ro bidirectional
group.consumer.min.assignment.interval.ms INT ro 0
group.consumer.min.heartbeat.interval.ms INT ro 5000
group.consumer.min.session.timeout.ms INT ro 45000
group.consumer.session.timeout.ms INT ro 45000
group.coordinator.append.linger.ms INT ro -1
group.coordinator.background.threads INT ro 2
group.coordinator.cached.buffer.max.bytes INT rw 1048588
group.coordinator.rebalance.protocols LIST ro classic,consumer,streams
group.coordinator.threads INT ro 4
group.initial.rebalance.delay.ms INT ro 3000
group.max.session.timeout.ms INT ro 1800000
group.max.size INT ro 2147483647
group.min.session.timeout.ms INT ro 6000
group.share.assignment.interval.ms INT rw 1000
group.share.assignors LIST ro simple
group.share.delivery.count.limit INT ro 5
group.share.heartbeat.interval.ms INT ro 5000
group.share.max.assignment.interval.ms INT ro 15000
group.share.max.delivery.count.limit INT ro 10
group.share.max.heartbeat.interval.ms INT ro 15000
group.share.max.partition.max.record.locks INT ro 4000
group.share.max.record.lock.duration.ms INT ro 60000
group.share.max.session.timeout.ms INT ro 60000
group.share.max.share.sessions INT ro 2000
group.share.max.size INT ro 200
group.share.min.assignment.interval.ms INT ro 0
group.share.min.delivery.count.limit INT ro 2
group.share.min.heartbeat.interval.ms INT ro 5000
group.share.min.partition.max.record.locks INT ro 100
group.share.min.record.lock.duration.ms INT ro 15000
group.share.min.session.timeout.ms INT ro 45000
group.share.partition.max.record.locks INT ro 2000
group.share.record.lock.duration.ms INT ro 30000
group.share.session.timeout.ms INT ro 45000
group.streams.assignment.interval.ms INT rw 1000
group.streams.heartbeat.interval.ms INT ro 5000
group.streams.initial.rebalance.delay.ms INT ro 3000
group.streams.max.assignment.interval.ms INT ro 15000
group.streams.max.heartbeat.interval.ms INT ro 15000
group.streams.max.session.timeout.ms INT ro 60000
group.streams.max.size INT ro 2147483647
group.streams.max.standby.replicas INT ro 2
group.streams.min.assignment.interval.ms INT ro 0
group.streams.min.heartbeat.interval.ms INT ro 5000
group.streams.min.session.timeout.ms INT ro 45000
group.streams.num.standby.replicas INT ro 0
group.streams.session.timeout.ms INT ro 45000
initial.broker.registration.timeout.ms INT ro 60000
inter.broker.listener.name STRING ro
kafka.metrics.polling.interval.secs INT ro 10
kafka.metrics.reporters LIST ro 
leader.imbalance.check.interval.seconds LONG ro 300
listener.security.protocol.map STRING rw SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
listeners LIST rw PLAINTEXT://127.0.0.1:9092
log.cleaner.backoff.ms LONG rw 15000
log.cleaner.dedupe.buffer.size LONG rw 134217728
log.cleaner.delete.retention.ms LONG rw 86400000
log.cleaner.enable BOOLEAN ro true
log.cleaner.io.buffer.load.factor DOUBLE rw 0.9
log.cleaner.io.buffer.size INT rw 524288
log.cleaner.io.max.bytes.per.second DOUBLE rw 1.7976931348623157E308
log.cleaner.max.compaction.lag.ms LONG rw 9223372036854775807
log.cleaner.min.cleanable.ratio DOUBLE rw 0.5
log.cleaner.min.compaction.lag.ms LONG rw 0
log.cleaner.threads INT rw 1
log.cleanup.policy LIST rw delete
log.dir LIST ro /tmp/kafka-logs
log.dir.failure.timeout.ms LONG ro 30000
log.dirs LIST ro
log.flush.interval.messages LONG rw 9223372036854775807
log.flush.interval.ms LONG rw
log.flush.offset.checkpoint.interval.ms INT ro 60000
log.flush.scheduler.interval.ms LONG ro 9223372036854775807
log.flush.start.offset.checkpoint.interval.ms INT ro 60000
log.index.interval.bytes INT rw 4096
log.index.size.max.bytes INT rw 10485760
log.local.retention.bytes LONG rw -2
log.local.retention.ms LONG rw -2
log.message.timestamp.after.max.ms LONG rw 3600000
log.message.timestamp.before.max.ms LONG rw 9223372036854775807
log.message.timestamp.type STRING rw CreateTime
log.preallocate BOOLEAN rw false
log.retention.bytes LONG rw -1
log.retention.check.interval.ms LONG ro 300000
log.retention.hours INT ro 168
log.retention.minutes INT ro
log.retention.ms LONG rw
log.roll.hours INT ro 168
log.roll.jitter.hours INT ro 0
log.roll.jitter.ms LONG rw
log.roll.ms LONG rw
log.segment.bytes INT rw 1073741824
log.segment.delete.delay.ms LONG rw 60000
max.connection.creation.rate INT rw 2147483647
max.connections INT rw 2147483647
max.connections.per.ip INT rw 2147483647
max.connections.per.ip.overrides STRING rw 
max.incremental.fetch.session.cache.slots INT ro 1000
max.request.partition.size.limit INT ro 2000
message.max.bytes INT rw 1048588
metadata.log.dir STRING ro
metadata.log.max.record.bytes.between.snapshots LONG ro 20971520
metadata.log.max.snapshot.interval.ms LONG ro 3600000
metadata.log.segment.bytes INT ro 1073741824
metadata.log.segment.ms LONG ro 604800000
metadata.max.idle.interval.ms INT ro 500
metadata.max.retention.bytes LONG ro 104857600
metadata.max.retention.ms LONG ro 604800000
metric.reporters LIST rw org.apache.kafka.common.metrics.JmxReporter
metrics.num.samples INT ro 2
metrics.recording.level STRING ro INFO
metrics.sample.window.ms LONG ro 30000
min.insync.replicas INT rw 1
node.id INT ro
num.io.threads INT rw 8
num.network.threads INT rw 3
num.partitions INT ro 1
num.recovery.threads.per.data.dir INT rw 2
num.replica.alter.log.dirs.threads INT ro
num.replica.fetchers INT rw 1
offset.metadata.max.bytes INT ro 4096
offsets.commit.timeout.ms INT ro 5000
offsets.load.buffer.size INT ro 5242880
offsets.retention.check.interval.ms LONG ro 600000
offsets.retention.minutes INT ro 10080
offsets.topic.compression.codec INT ro 0
offsets.topic.num.partitions INT ro 50
offsets.topic.replication.factor SHORT ro 3
offsets.topic.segment.bytes INT ro 104857600
principal.builder.class CLASS rw org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder
process.roles LIST ro
producer.id.expiration.ms INT rw 86400000
producer.purgatory.purge.interval.requests INT ro 1000
queued.max.request.bytes LONG ro -1
queued.max.requests INT ro 500
quota.window.num INT ro 11
quota.window.size.seconds INT ro 1
remote.fetch.max.wait.ms INT rw 500
remote.list.offsets.request.timeout.ms LONG rw 30000
remote.log.index.file.cache.total.size.bytes LONG rw 1073741824
remote.log.manager.copier.thread.pool.size INT rw 10
remote.log.manager.copy.max.bytes.per.second LONG rw 9223372036854775807
remote.log.manager.copy.quota.window.num INT ro 11
remote.log.manager.copy.quota.window.size.seconds INT ro 1
remote.log.manager.expiration.thread.pool.size INT rw 10
remote.log.manager.fetch.max.bytes.per.second LONG rw 9223372036854775807
remote.log.manager.fetch.quota.window.num INT ro 11
remote.log.manager.fetch.quota.window.size.seconds INT ro 1
remote.log.manager.follower.thread.pool.size INT rw 2
remote.log.manager.task.interval.ms LONG ro 30000
remote.log.manager.thread.pool.size INT ro 2
remote.log.metadata.custom.metadata.max.bytes INT ro 128
remote.log.metadata.manager.class.name STRING ro org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager
remote.log.metadata.manager.class.path STRING ro
remote.log.metadata.manager.impl.prefix STRING ro rlmm.config.
remote.log.metadata.manager.listener.name STRING ro
remote.log.reader.max.pending.tasks INT ro 100
remote.log.reader.threads INT rw 10
remote.log.storage.manager.class.name STRING ro
remote.log.storage.manager.class.path STRING ro
remote.log.storage.manager.impl.prefix STRING ro rsm.config.
remote.log.storage.system.enable BOOLEAN ro false
replica.fetch.backoff.ms INT ro 1000
replica.fetch.max.bytes INT ro 1048576
replica.fetch.min.bytes INT ro 1
replica.fetch.response.max.bytes INT ro 10485760
replica.fetch.wait.max.ms INT ro 500
replica.high.watermark.checkpoint.interval.ms LONG ro 5000
replica.lag.time.max.ms LONG ro 30000
replica.selector.class STRING ro
replica.socket.receive.buffer.bytes INT ro 65536
replica.socket.timeout.ms INT ro 30000
replication.quota.window.num INT ro 11
replication.quota.window.size.seconds INT ro 1
request.timeout.ms INT ro 30000
sasl.client.callback.handler.class CLASS ro
sasl.enabled.mechanisms LIST rw GSSAPI
sasl.jaas.config PASSWORD rw!
sasl.kerberos.kinit.cmd STRING rw /usr/bin/kinit
sasl.kerberos.min.time.before.relogin LONG rw 60000
sasl.kerberos.principal.to.local.rules LIST rw DEFAULT
sasl.kerberos.service.name STRING rw
sasl.kerberos.ticket.renew.jitter DOUBLE rw 0.05
sasl.kerberos.ticket.renew.window.factor DOUBLE rw 0.8
sasl.login.callback.handler.class CLASS ro
sasl.login.class CLASS ro
sasl.login.connect.timeout.ms INT ro
sasl.login.read.timeout.ms INT ro
sasl.login.refresh.buffer.seconds SHORT rw 300
sasl.login.refresh.min.period.seconds SHORT rw 60
sasl.login.refresh.window.factor DOUBLE rw 0.8
sasl.login.refresh.window.jitter DOUBLE rw 0.05
sasl.login.retry.backoff.max.ms LONG ro 10000
sasl.login.retry.backoff.ms LONG ro 100
sasl.mechanism.controller.protocol STRING ro GSSAPI
sasl.mechanism.inter.broker.protocol STRING rw GSSAPI
sasl.oauthbearer.assertion.algorithm STRING ro RS256
sasl.oauthbearer.assertion.claim.aud STRING ro
sasl.oauthbearer.assertion.claim.exp.seconds INT ro 300
sasl.oauthbearer.assertion.claim.iss STRING ro
sasl.oauthbearer.assertion.claim.jti.include BOOLEAN ro false
sasl.oauthbearer.assertion.claim.nbf.seconds INT ro 60
sasl.oauthbearer.assertion.claim.sub STRING ro
sasl.oauthbearer.assertion.file STRING ro
sasl.oauthbearer.assertion.private.key.file STRING ro
sasl.oauthbearer.assertion.private.key.passphrase PASSWORD ro!
sasl.oauthbearer.assertion.template.file STRING ro
sasl.oauthbearer.client.credentials.client.id STRING ro
sasl.oauthbearer.client.credentials.client.secret PASSWORD ro!
sasl.oauthbearer.clock.skew.seconds INT ro 30
sasl.oauthbearer.expected.audience LIST ro 
sasl.oauthbearer.expected.issuer STRING ro
sasl.oauthbearer.jwks.endpoint.refresh.ms LONG ro 3600000
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms LONG ro 10000
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms LONG ro 100
sasl.oauthbearer.jwks.endpoint.url STRING ro
sasl.oauthbearer.jwt.retriever.class CLASS ro org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever
sasl.oauthbearer.jwt.validator.class CLASS ro org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator
sasl.oauthbearer.scope STRING ro
sasl.oauthbearer.scope.claim.name STRING ro scope
sasl.oauthbearer.sub.claim.name STRING ro sub
sasl.oauthbearer.token.endpoint.url STRING ro
sasl.server.callback.handler.class CLASS ro
sasl.server.max.receive.size INT ro 524288
security.inter.broker.protocol STRING ro PLAINTEXT
security.providers STRING ro
share.coordinator.append.linger.ms INT ro -1
share.coordinator.cached.buffer.max.bytes INT rw 1048588
share.coordinator.load.buffer.size INT ro 5242880
share.coordinator.snapshot.update.records.per.snapshot INT ro 500
share.coordinator.state.topic.compression.codec INT ro 0
share.coordinator.state.topic.min.isr SHORT ro 2
share.coordinator.state.topic.num.partitions INT ro 50
share.coordinator.state.topic.replication.factor SHORT ro 3
share.coordinator.state.topic.segment.bytes INT ro 104857600
share.coordinator.threads INT ro 1
share.coordinator.write.timeout.ms INT ro 5000
share.fetch.purgatory.purge.interval.requests INT ro 1000
socket.connection.setup.timeout.max.ms LONG ro 30000
socket.connection.setup.timeout.ms LONG ro 10000
socket.listen.backlog.size INT ro 50
socket.receive.buffer.bytes INT ro 102400
socket.request.max.bytes INT ro 104857600
socket.send.buffer.bytes INT ro 102400
ssl.allow.dn.changes BOOLEAN ro false
ssl.allow.san.changes BOOLEAN ro false
ssl.cipher.suites LIST rw 
ssl.client.auth STRING rw none
ssl.enabled.protocols LIST rw TLSv1.2,TLSv1.3
ssl.endpoint.identification.algorithm STRING rw https
ssl.engine.factory.class CLASS rw
ssl.key.password PASSWORD rw!
ssl.keymanager.algorithm STRING rw SunX509
ssl.keystore.certificate.chain PASSWORD rw!
ssl.keystore.key PASSWORD rw!
ssl.keystore.location STRING rw
ssl.keystore.password PASSWORD rw!
ssl.keystore.type STRING rw JKS
ssl.principal.mapping.rules STRING ro DEFAULT
ssl.protocol STRING rw TLSv1.3
ssl.provider STRING rw
ssl.secure.random.implementation STRING rw
ssl.trustmanager.algorithm STRING rw PKIX
ssl.truststore.certificates PASSWORD rw!
ssl.truststore.location STRING rw
ssl.truststore.password PASSWORD rw!
ssl.truststore.type STRING rw JKS
telemetry.max.bytes INT ro 1048576
transaction.abort.timed.out.transaction.cleanup.interval.ms INT ro 10000
transaction.max.timeout.ms INT ro 900000
transaction.partition.verification.enable BOOLEAN rw true
transaction.remove.expired.transaction.cleanup.interval.ms INT ro 3600000
transaction.state.log.load.buffer.size INT ro 5242880
transaction.state.log.min.isr INT ro 2
transaction.state.log.num.partitions INT ro 50
transaction.state.log.replication.factor SHORT ro 3
transaction.state.log.segment.bytes INT ro 104857600
transaction.two.phase.commit.enable BOOLEAN ro false
transactional.id.expiration.ms INT ro 604800000
unclean.leader.election.enable BOOLEAN rw false
`;
