// Registration is a hot-path operation: what add, replace and remove cost, and what an event costs
// with none, one and many handlers, beside a bare callback and std::function.

#include <functional>
#include <memory>

#include <benchmark/benchmark.h>

#include <zenwire/base/callback.hpp>
#include <zenwire/engine/handler_table.hpp>

namespace {

using namespace zenwire;

using Table = HandlerTable<int>;

struct Counter {
  void on_event(int value) noexcept { sum += value; }
  long sum = 0;
};

void event_through_a_callback(benchmark::State& state) {
  Counter counter;
  auto callback = Callback<int>::to<&Counter::on_event>(counter);
  benchmark::DoNotOptimize(callback);
  for (auto _ : state) {
    callback(1);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(event_through_a_callback);

void event_through_a_std_function(benchmark::State& state) {
  Counter counter;
  std::function<void(int)> function = [&](int value) { counter.on_event(value); };
  benchmark::DoNotOptimize(function);
  for (auto _ : state) {
    function(1);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(event_through_a_std_function);

void event(benchmark::State& state) {
  Table table;
  Counter counters[8];
  for (int count = 0; count < state.range(0); ++count) {
    (void)table.add(Callback<int>::to<&Counter::on_event>(counters[count]));
  }
  benchmark::DoNotOptimize(&table);
  for (auto _ : state) {
    table(1);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(event)->Arg(0)->Arg(1)->Arg(2)->Arg(8);

void add_and_remove(benchmark::State& state) {
  Table table;
  Counter counters[8];
  for (int count = 0; count < state.range(0); ++count) {
    (void)table.add(Callback<int>::to<&Counter::on_event>(counters[count]));
  }
  benchmark::DoNotOptimize(&table);
  for (auto _ : state) {
    const auto id = table.add(Callback<int>::to<&Counter::on_event>(counters[7]));
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(table.remove(*id));
  }
}
BENCHMARK(add_and_remove)->Arg(0)->Arg(1)->Arg(7);

void replace(benchmark::State& state) {
  Table table;
  Counter counters[8];
  HandlerId id;
  for (int count = 0; count < state.range(0); ++count) {
    id = *table.add(Callback<int>::to<&Counter::on_event>(counters[count]));
  }
  benchmark::DoNotOptimize(&table);
  int which = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        table.replace(id, Callback<int>::to<&Counter::on_event>(counters[++which % 8])));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(replace)->Arg(1)->Arg(8);

// From inside the event itself, as a strategy does it: the handler hands over to the other one.
struct Relay {
  void on_event(int) noexcept { table->replace(*id, Callback<int>::to<&Relay::on_event>(*other)); }
  Table* table = nullptr;
  HandlerId* id = nullptr;
  Relay* other = nullptr;
};

void replace_inside_its_own_event(benchmark::State& state) {
  Table table;
  HandlerId id;
  Relay first{&table, &id, nullptr};
  Relay second{&table, &id, &first};
  first.other = &second;
  id = *table.add(Callback<int>::to<&Relay::on_event>(first));
  for (auto _ : state) table(1);
}
BENCHMARK(replace_inside_its_own_event);

// The way of the other libraries: an owning callable per connection, replaced.
void replace_a_std_function(benchmark::State& state) {
  Counter counters[8];
  std::function<void(int)> function;
  benchmark::DoNotOptimize(&function);
  int which = 0;
  const auto context = std::make_unique<long[]>(4);
  for (auto _ : state) {
    Counter* counter = &counters[++which % 8];
    function = [counter, memory = context.get(), which](int value) {
      counter->on_event(value + which);
      benchmark::DoNotOptimize(memory);
    };
    benchmark::ClobberMemory();
  }
}
BENCHMARK(replace_a_std_function);

}  // namespace
