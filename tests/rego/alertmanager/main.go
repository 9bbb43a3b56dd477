// What Alertmanager's own code says about instants: reads {"intervals": [[TIME_INTERVAL, …], …], "asked":
// [[number of the list, seconds since the epoch], …]} and prints for each instant whether any of them contains it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
	"gopkg.in/yaml.v2"
)

func main() {
	var question struct {
		Intervals [][]timeinterval.TimeInterval `yaml:"intervals"`
		Asked     [][2]int64                    `yaml:"asked"`
	}
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = yaml.UnmarshalStrict(text, &question) // JSON is YAML
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answers := make([]bool, len(question.Asked))
	for place, asked := range question.Asked {
		for _, interval := range question.Intervals[asked[0]] {
			answers[place] = answers[place] || interval.ContainsTime(time.Unix(asked[1], 0).UTC())
		}
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
