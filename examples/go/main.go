// A producer and a consumer: see examples/README.md. The messages are generated beside it:
//
//	protoc -I ../../proto --go_out=. --go_opt=Moi/v1/oi.proto=example.org/oi/oiv1 \
//	    --go_opt=module=example.org/oi oi/v1/oi.proto
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"example.org/oi/oiv1"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
)

const patience = 5 * time.Second

// submit publishes until an outcome comes; the same command is decided once.
func submit(nc *nats.Conn, js jetstream.JetStream, producer string, request *oiv1.SubmitRequest) (*oiv1.CommandOutcome, error) {
	body, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	for {
		inbox := nats.NewInbox()
		outcomes, err := nc.SubscribeSync(inbox)
		if err != nil {
			return nil, err
		}
		message := nats.NewMsg("oi.submit.admin." + producer)
		message.Header.Set("Content-Type", "application/x-protobuf")
		message.Header.Set("Oi-Reply-To", inbox)
		message.Data = body
		_, err = js.PublishMsg(context.Background(), message)
		if err == nil {
			var told *nats.Msg
			if told, err = outcomes.NextMsg(patience); err == nil {
				outcome := &oiv1.CommandOutcome{}
				return outcome, proto.Unmarshal(told.Data, outcome)
			}
		}
		_ = outcomes.Unsubscribe()
		log.Printf("once more: %v", err)
		time.Sleep(200 * time.Millisecond)
	}
}

// produce registers hypervisors, and prints what became of each.
func produce(nc *nats.Conn, js jetstream.JetStream, producer string) error {
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		name := names.Text()
		outcome, err := submit(nc, js, producer, &oiv1.SubmitRequest{
			CommandId: uuid.Must(uuid.NewV7()).String(),
			Command: &oiv1.SubmitRequest_RegisterHypervisor{RegisterHypervisor: &oiv1.RegisterHypervisor{
				Name:        name,
				CriEndpoint: "unix:///run/" + name + ".sock",
				Address:     "192.0.2.1",
				PortLow:     30000,
				PortHigh:    32767,
				DataDir:     "/var/lib/oi",
			}},
		})
		if err != nil {
			return err
		}
		if decided := outcome.GetDecided(); decided != nil {
			fmt.Printf("%s: decided at position %d\n", name, decided.Position)
		} else {
			fmt.Printf("%s: refused (%s): %s\n", name, outcome.GetRejected().GetCode(), outcome.GetRejected().GetMessage())
		}
	}
	return names.Err()
}

// place is an event's place: its commit's position, and its number there.
type place struct {
	position uint64
	index    uint32
}

func (p place) after(q place) bool {
	return p.position > q.position || p.position == q.position && p.index > q.index
}

// consume appends each event to a file, once.
func consume(js jetstream.JetStream, name, path string) error {
	last := place{}
	if written, err := os.ReadFile(path); err == nil && len(written) > 0 {
		lines := strings.Split(strings.TrimSpace(string(written)), "\n")
		if _, err := fmt.Sscanf(lines[len(lines)-1], "%d.%d ", &last.position, &last.index); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for {
		err := func() error {
			consumer, err := js.CreateOrUpdateConsumer(context.Background(), "OI_FEED", jetstream.ConsumerConfig{
				Durable: name, AckPolicy: jetstream.AckExplicitPolicy,
			})
			if err != nil {
				return err
			}
			for {
				message, err := consumer.Next(jetstream.FetchMaxWait(2 * time.Second))
				if err != nil {
					return err
				}
				event := &oiv1.WatchResponse{}
				if err := proto.Unmarshal(message.Data(), event); err != nil {
					return err
				}
				if here := (place{event.Position, event.Index}); here.after(last) {
					fmt.Fprintln(file, event.ResumeToken, event.Event)
					last = here
				}
				if err := message.Ack(); err != nil {
					return err
				}
			}
		}()
		if err != nil && err != nats.ErrTimeout {
			log.Printf("going on after %v: %v", last, err)
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// connect connects without end; with an nkey, TLS and an inbox where the environment names them.
func connect(url string) (*nats.Conn, error) {
	options := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond)}
	if seed := os.Getenv("OI_NATS_NKEY"); seed != "" {
		option, err := nats.NkeyOptionFromSeed(seed)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	if ca := os.Getenv("OI_NATS_CA"); ca != "" {
		options = append(options, nats.RootCAs(ca))
	}
	if inbox := os.Getenv("OI_NATS_INBOX"); inbox != "" {
		options = append(options, nats.CustomInboxPrefix(inbox))
	}
	return nats.Connect(url, options...)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: example produce NATS_URL PRODUCER | consume NATS_URL NAME FILE")
	}
	nc, err := connect(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case os.Args[1] == "produce":
		err = produce(nc, js, os.Args[3])
	case os.Args[1] == "consume" && len(os.Args) == 5:
		err = consume(js, os.Args[3], os.Args[4])
	default:
		log.Fatalf("what is %s?", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}
