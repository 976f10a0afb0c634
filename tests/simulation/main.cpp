// The simulation as a program: any seeds, with a trace if wanted.

#include "program.hpp"
#include "simulation.hpp"

int main(int argc, char** argv) {
  return zenwire::testing::run_sim_program(zenwire::simulation::program(), argc, argv);
}
