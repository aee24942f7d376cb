using System.Runtime.CompilerServices;
using System.Text;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Mirroring;

/// <summary>Keeps the mirror as etcd is: one listing, then every change after it, in order and
/// without a gap.</summary>
/// <remarks>
/// <para>A watch that breaks goes on after the last revision it has seen, if etcd still has that
/// history: it must not have been compacted, and it must be the same one. An etcd that was restored
/// from an older state counts the same numbers again for other changes, and a watch on it from a
/// later revision would wait in silence. So the last change seen is looked up at its revision
/// first; when it is not there, everything is listed anew.</para>
/// <para>Staleness: etcd is asked for a sign of life on the stream itself
/// (<see cref="ProgressQuestion"/>). The answer shows that what it had sent before has come. Etcd
/// 3.4 may answer before it has caught up with a watch that is new, so the first question comes in
/// the second interval.</para>
/// <para>Newer etcds leave a question without an answer when it comes while the watch is behind. A
/// second question beside an open one would make the mirror look fresher than it is. A stream whose
/// question is open for too long ends, and the next one asks anew.</para>
/// </remarks>
internal sealed class Follower(EtcdClient client, FleetKeys keys, MirrorIndex index, PortmapFleetOptions options, ILogger logger, TimeProvider time)
{
    private readonly TimeProvider _clock = BootTime.Of(time);
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Of the last revision seen, what was written then like nothing else.</summary>
    private KeyValue? _anchor;
    private Lifetime? _freshAt;
    private string? _trouble;
    private bool _isDenied;
    private string _cause = "First";

    public required FleetMetrics Metrics { get; init; }

    /// <summary>Completes with the first listing, and is cancelled by <see cref="End"/> before
    /// it.</summary>
    public Task WhenListed => _listed.Task;

    /// <summary>How old the mirror may be; <see cref="TimeSpan.MaxValue"/> before the first
    /// listing.</summary>
    public TimeSpan Staleness => Volatile.Read(ref _freshAt)?.Age ?? TimeSpan.MaxValue;

    /// <summary>What stands in the way, or null.</summary>
    public string? Trouble => Volatile.Read(ref _trouble);

    /// <summary>Etcd answered last that this host may not.</summary>
    public bool IsDenied => Volatile.Read(ref _isDenied);

    /// <summary>There will be no listing any more: nobody is to wait for it.</summary>
    public void End() => _listed.TrySetCanceled();

    public async Task RunAsync(CancellationToken stop)
    {
        Backoff backoff = new(time);

        // Begun again after a mistake of ours: a change may be half in.
        _anchor = null;
        while (true)
        {
            try
            {
                if (!await HasSameHistoryAsync(stop).ConfigureAwait(false))
                {
                    await ListAsync(stop).ConfigureAwait(false);
                }

                await WatchAsync(backoff, stop).ConfigureAwait(false);
            }
            catch (EtcdException exception)
            {
                if (exception.Failure == EtcdFailure.RevisionGone)
                {
                    _anchor = null;
                    _cause = "Compacted";
                }

                Volatile.Write(ref _isDenied, exception.Failure == EtcdFailure.Denied);
                if (Interlocked.Exchange(ref _trouble, exception.Message) is null)
                {
                    FleetLog.MirrorBroke(logger, exception.Message);
                }
            }

            await backoff.WaitAsync(stop).ConfigureAwait(false);
        }
    }

    private async Task<bool> HasSameHistoryAsync(CancellationToken cancellationToken)
    {
        if (_anchor is not { } anchor)
        {
            return false;
        }

        try
        {
            RangeResponse then = await client.RangeAsync(
                new RangeRequest { Key = anchor.Key, Revision = anchor.ModRevision }, cancellationToken).ConfigureAwait(false);
            bool isSame = then.Kvs is [var found] && found.ModRevision == anchor.ModRevision && found.Value == anchor.Value;
            _cause = isSame ? _cause : "OtherHistory";
            return isSame;
        }
        catch (EtcdException exception) when (exception.Failure == EtcdFailure.RevisionGone)
        {
            _cause = "Compacted";
            return false;
        }
    }

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        Lifetime begun = Lifetime.Begin(_clock);
        List<FleetEntry> entries = [];
        Dictionary<string, string> addresses = new(StringComparer.Ordinal);
        _anchor = null;
        KnownHost? last = null;
        byte[] lastName = [];
        long revision = await Listing.ReadAllAsync(
            client, keys,
            (in ListedKey pair) =>
            {
                switch (keys.Parse(pair.Key, out ReadOnlySpan<byte> host, out ReadOnlySpan<byte> owner, out PortProtocol protocol))
                {
                    case FleetKeys.Kind.Entry when PublishedEntry.TryParse(pair.Value, out PublishedEntry published):
                        if (last is null || !host.SequenceEqual(lastName))
                        {
                            (last, lastName) = (index.Host(Text(host)), host.ToArray());   // those of a host stand together
                        }

                        entries.Add(new FleetEntry(last, Text(owner), protocol, published, pair.ModRevision));
                        break;
                    case FleetKeys.Kind.Host:
                        addresses[index.Host(Text(host)).Name] = HostRecord.Parse(ByteString.CopyFrom(pair.Value)).Address;
                        break;
                }
            },
            cancellationToken).ConfigureAwait(false);
        index.Replace(revision, entries, addresses);
        Volatile.Write(ref _freshAt, begun);
        FleetLog.Listed(logger, entries.Count, revision);
        Metrics.Listed(_cause);
        _cause = "NoMark";
        _listed.TrySetResult();
    }

    /// <summary>Follows the changes until the stream breaks.</summary>
    private async Task WatchAsync(Backoff backoff, CancellationToken stop)
    {
        EtcdStream<WatchRequest, WatchResponse> stream = await client.OpenWatchAsync(stop).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable closing = stream.ConfigureAwait(false);
        await stream.WriteAsync(
            new WatchRequest
            {
                CreateRequest = new WatchCreateRequest
                {
                    Key = keys.Root,
                    RangeEnd = FleetKeys.EndOf(keys.Root),
                    // What came with it is in, and is skipped. From the revision after it on newer
                    // etcds answer no question until something happens.
                    StartRevision = index.Revision,
                    Fragment = true,
                },
            },
            options.RequestTimeout,
            stop).ConfigureAwait(false);
        ProgressQuestion question = new(stream, keys.Root, options, time);
        await using ConfiguredAsyncDisposable ending = question.ConfigureAwait(false);
        List<Event> events = [];
        Lifetime begun = Lifetime.Begin(_clock);
        Task<WatchResponse> reading = stream.ReadAsync(stop);
        Task beat = Task.Delay(options.HeartbeatInterval, time, stop);
        while (true)
        {
            // The beat first: on a busy stream there is always something to read.
            if (await Task.WhenAny(beat, reading).ConfigureAwait(false) == beat)
            {
                await beat.ConfigureAwait(false);
                if (question.Age > options.RequestTimeout)
                {
                    throw stream.Silent();
                }

                if (begun.Age >= 1.5 * options.HeartbeatInterval)
                {
                    await question.AskAsync(Lifetime.Begin(_clock)).ConfigureAwait(false);
                }

                beat = Task.Delay(options.HeartbeatInterval, time, stop);
                continue;
            }

            WatchResponse response = await reading.ConfigureAwait(false);
            reading = stream.ReadAsync(stop);
            if (response.Canceled)
            {
                throw Ended(response);
            }

            if (response.Events.Count != 0)
            {
                events.AddRange(response.Events.Where(change => change.Kv.ModRevision > index.Revision));
                if (!response.Fragment && events.Count != 0)
                {
                    Apply(events);
                    events.Clear();
                }
            }
            else if (!response.Created && question.Answer() is { } asked)
            {
                Volatile.Write(ref _freshAt, asked);
                Volatile.Write(ref _trouble, null);
                backoff.Reset();
            }
        }
    }

    private EtcdException Ended(WatchResponse response)
    {
        string reason = response.CancelReason;
        if (response.CompactRevision != 0)
        {
            return new EtcdException(EtcdFailure.RevisionGone, $"Etcd has compacted what came after revision {index.Revision}.");
        }

        if (reason.Contains("invalid auth token", StringComparison.Ordinal) || reason.Contains("revision of auth store is old", StringComparison.Ordinal))
        {
            client.ForgetToken();
            return new EtcdException(EtcdFailure.TokenGone, reason);
        }

        return new EtcdException(
            reason.Contains("permission denied", StringComparison.Ordinal) ? EtcdFailure.Denied : EtcdFailure.Unavailable, $"Etcd ended the watch: {reason}");
    }

    private void Apply(List<Event> events)
    {
        long revision = events[^1].Kv.ModRevision;
        index.Apply(revision, mirror =>
        {
            KeyValue? anchor = null;
            foreach (Event change in events)
            {
                KeyValue pair = change.Kv;
                bool isRemoval = change.Type == Event.Types.EventType.Delete;
                FleetKeys.Kind kind = keys.Parse(pair.Key.Span, out ReadOnlySpan<byte> hostName, out ReadOnlySpan<byte> owner, out PortProtocol protocol);
                switch (kind)
                {
                    case FleetKeys.Kind.Entry when !isRemoval && PublishedEntry.TryParse(pair.Value.Span, out PublishedEntry published):
                        mirror.Put(new FleetEntry(mirror.Host(Text(hostName)), Text(owner), protocol, published, pair.ModRevision));
                        break;
                    case FleetKeys.Kind.Entry:
                        mirror.Remove(mirror.Host(Text(hostName)), Text(owner), protocol);
                        break;
                    case FleetKeys.Kind.Host:
                        mirror.Says(mirror.Host(Text(hostName)), isRemoval ? null : HostRecord.Parse(pair.Value).Address);
                        break;
                }

                if (pair.ModRevision == revision && !isRemoval
                    && (kind is FleetKeys.Kind.Mark or FleetKeys.Kind.Host or FleetKeys.Kind.Claim))
                {
                    anchor = pair;
                }
            }

            _anchor = anchor;
        });
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
