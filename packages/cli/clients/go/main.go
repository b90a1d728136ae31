// franz-go as a command; see ../README.md.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	bootstrap, command, topic, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	options := []kgo.Opt{kgo.SeedBrokers(bootstrap)}
	switch command {
	case "produce":
		options = append(options, kgo.ProducerBatchCompression(codecs[rest[0]]), kgo.AllowAutoTopicCreation())
		client, err := kgo.NewClient(options...)
		must(err)
		var records []*kgo.Record
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), "\t")
			records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)})
		}
		must(lines.Err())
		must(client.ProduceSync(ctx, records...).FirstErr())
		client.Close()
	case "consume":
		left, err := strconv.Atoi(rest[1])
		must(err)
		options = append(options, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(rest[0]), kgo.DisableAutoCommit(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		client, err := kgo.NewClient(options...)
		must(err)
		var read []*kgo.Record
		for left > 0 {
			fetches := client.PollRecords(ctx, left)
			must(ctx.Err())
			must(fetches.Err())
			for _, record := range fetches.Records() {
				fmt.Printf("%s\t%s\n", record.Key, record.Value)
				read = append(read, record)
				left--
			}
		}
		must(client.CommitRecords(ctx, read...))
		client.LeaveGroup()
		client.Close()
	default:
		client, err := kgo.NewClient(options...)
		must(err)
		admin := kadm.NewClient(client)
		policy := "compact"
		_, err = admin.CreateTopic(ctx, 3, 1, map[string]*string{"cleanup.policy": &policy}, topic)
		must(err)
		grown, err := admin.UpdatePartitions(ctx, 5, topic)
		must(err)
		must(grown.Error())
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		must(err)
		for _, config := range configs[0].Configs {
			if config.Key == "cleanup.policy" {
				fmt.Println(config.MaybeValue())
			}
		}
		listed, err := admin.ListTopics(ctx, topic)
		must(err)
		fmt.Println(len(listed[topic].Partitions))
		_, err = admin.DeleteTopic(ctx, topic)
		must(err)
		left, err := admin.ListTopics(ctx)
		must(err)
		fmt.Println(left.Has(topic))
		client.Close()
	}
}
