module example.org/oi

go 1.25

require (
	github.com/google/uuid v1.6.0
	github.com/nats-io/nats.go v1.55.0
	google.golang.org/protobuf v1.36.12
)
