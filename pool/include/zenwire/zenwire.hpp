#pragma once

// All of zenwire for a program that connects, receives, sends and records.

#include <zenwire/engine/budget.hpp>
#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/latest.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/recording.hpp>
#include <zenwire/engine/replay.hpp>
#include <zenwire/engine/sequence_gate.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/engine/stopwatch.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/discovery.hpp>
#include <zenwire/pool/edges.hpp>
#include <zenwire/pool/lines.hpp>
#include <zenwire/pool/pool.hpp>
#include <zenwire/pool/session_member.hpp>
