using System.Globalization;
using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>A suspended thread never stops the others: one is frozen at each internal step in turn,
/// the others do everything, then it goes on.</summary>
public sealed class FrozenThreadTests : IDisposable
{
    /// <summary>Of each kind of step, so many of an act are tried, evenly spread.</summary>
    private const int MostOfAKind = 12;

    private readonly Puppets _puppets = new(2);
    private readonly HashSet<Step> _frozenAt = [];

    public void Dispose() => _puppets.Dispose();

    /// <summary>What the frozen thread does, after what has been done before.</summary>
    private static readonly Dictionary<string, (Action<FrozenScene> Before, Action<FrozenScene> Act)> s_acts = new()
    {
        ["acquires the last port of a word"] = (_ => { }, scene => scene.Acquire("frozen", scene.LastPort)),
        ["acquires the right to bring a port"] = (_ => { }, scene => scene.AcquireOwn("frozen")),
        ["acquires on both protocols"] = (_ => { }, scene => scene.Acquire(new PortRequest("frozen") { Protocol = PortProtocol.TcpAndUdp })),
        ["acquires over a session"] = (_ => { }, scene => FrozenScene.AcquireOver(scene.Here, "frozen")),
        ["acquires several"] = (_ => { }, scene => scene.AcquireAll(contiguous: false)),
        ["acquires a block"] = (_ => { }, scene => scene.AcquireAll(contiguous: true)),
        ["registers"] = (_ => { }, scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort, out _, out _)),
        ["registers its lease"] = (scene => scene.Acquire("frozen"), scene => scene.Here.Register(scene.Registry, "frozen", scene.Lease.Port, out _, out _, scene.Lease.Epoch)),
        ["registers beside a lease"] = (scene => scene.Acquire("frozen"), scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort, out _, out _)),
        ["takes a leased port"] = (scene => scene.Acquire("loser"), scene => scene.Here.Register(scene.Registry, "frozen", scene.Lease.Port, out _, out _)),
        ["moves"] = (scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort, out _, out _), scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort + 1, out _, out _)),
        ["shares a port"] = (scene => scene.Here.Register(scene.Registry, "first", scene.FarPort, out _, out _), scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort, out _, out _)),
        ["releases"] = (scene => scene.Here.Register(scene.Registry, "frozen", scene.FirstPort, out _, out _), scene => scene.Here.Release(scene.Registry, "frozen", out _)),
        ["releases a lease"] = (scene => scene.Acquire("frozen"), scene => scene.Lease.Release(scene.Registry, out _)),
        ["extends a lease"] = (scene => scene.Acquire("frozen"), scene => scene.Extend()),
        ["looks up"] = (scene => scene.Here.Register(scene.Registry, "frozen", scene.FirstPort, out _, out _), scene => scene.LookUp("frozen")),
        ["makes a pass"] = (scene => scene.LetALeaseRunOut(), scene => scene.Registry.Maintain()),
        ["frees what has cooled"] = (scene => scene.LetAPortCool(), scene => scene.Acquire("frozen")),
        ["ends with its process"] = (scene => scene.RegisterMortal("mortal"), scene => scene.KillMortal()),
        ["could not bind"] = (scene => scene.Acquire("frozen"), scene => scene.ReportBindFailure()),
        ["is waited for"] = (scene => scene.Acquire("frozen"), scene => _ = scene.Lease.WhenBound),
        ["is the first to watch"] = (_ => { }, scene => scene.Registry.Snapshot()),
        ["watches"] = (_ => { }, scene => scene.Watch()),
        ["is watched"] = (scene => scene.Watch(), scene => scene.Here.Register(scene.Registry, "frozen", scene.FarPort, out _, out _)),
        ["opens a gate"] = (scene => scene.Acquire("frozen"), scene => scene.Lease.OpenGate()),
        ["registers behind its open gate"] = (scene => scene.AcquireAndOpen("frozen"), scene => scene.Here.Register(scene.Registry, "frozen", scene.Lease.Port, out _, out _, scene.Lease.Epoch)),
        ["comes back to a kept port"] = (scene => scene.LeaveAKeptPort("frozen"), scene => scene.Acquire("frozen")),
        ["lets a kept port go"] = (scene => scene.LetAKeptPortWaitTooLong("frozen"), scene => scene.Registry.Maintain()),
        ["is one owner too many for the index"] = (scene => scene.FillIndex(), scene => scene.AddUntilItGrows()),
    };

    /// <summary>Those that are tried on a registry with a store too.</summary>
    private static readonly string[] s_stored = ["acquires the last port of a word", "acquires several", "acquires a block", "registers", "registers its lease", "moves", "releases", "releases a lease", "extends a lease"];

    /// <summary>Those that are tried with a store and with placeholders in the kernel: what takes
    /// effect hands its port over, what ends lets it go.</summary>
    private static readonly string[] s_guarded =
    [
        "acquires the last port of a word", "acquires on both protocols", "acquires a block", "registers its lease", "moves", "releases", "releases a lease", "makes a pass",
        "ends with its process", "could not bind", "opens a gate", "registers behind its open gate", "comes back to a kept port", "lets a kept port go",
    ];

    /// <summary>The steps at placeholders, which are there under guards only.</summary>
    private static readonly Step[] s_guardSteps =
    [
        Step.FindPlaceholder, Step.HoldPlaceholder, Step.ForgetPlaceholder, Step.BeginErrand, Step.DoErrand, Step.EndErrand, Step.MoveGate, Step.ClosePlaceholder,
    ];

    [Fact]
    public void Registry_ThreadFrozenAtAnyStep_TheOthersGoOnAndNothingIsLost()
    {
        FreezeAll(s_acts.Keys.Except(["opens a gate", "registers behind its open gate", "comes back to a kept port", "lets a kept port go"]));
        FreezeAll(s_stored, isStored: true);

        Enum.GetValues<Step>().Except(s_guardSteps).Except(_frozenAt).Should().BeEmpty("a thread must have been frozen at every step");
    }

    [Fact]
    public void Registry_ThreadFrozenAtAnyStepWithGuardsAndAStore_TheOthersGoOnAndNothingIsLost()
    {
        FreezeAll(s_guarded, isGuarded: true);
        FreezeAll(s_guarded, isStored: true, isGuarded: true);

        _frozenAt.Should().Contain([Step.PlaceGuard, Step.TakeEffect, Step.EndClaim, .. s_guardSteps]);
    }

    private void FreezeAll(IEnumerable<string> names, bool isStored = false, bool isGuarded = false)
    {
        foreach (string name in names)
        {
            (Action<FrozenScene> before, Action<FrozenScene> act) = s_acts[name];
            foreach ((Step step, int time) in StepsOf(before, act, isStored, isGuarded))
            {
                FrozenScene scene = new(isStored, isGuarded);
                before(scene);
                string where = string.Create(CultureInfo.InvariantCulture, $"the thread that {name}{(isStored ? " on a store" : "")}{(isGuarded ? " with guards" : "")} was frozen at {step}, for the {time}. time");
                string? fault = FindFault(() =>
                {
                    Freeze(() => act(scene), () => scene.DoEverything(where), step, time);
                    return scene.FindFault();
                });
                fault.Should().BeNull(where);
                scene.Dispose();   // not after a fault: what waits for the frozen one would wait here again
            }
        }

        static string? FindFault(Func<string?> look)
        {
            try
            {
                return look();
            }
            catch (InvalidOperationException broken)
            {
                return broken.Message;
            }
        }
    }

    [Fact]
    public void Maintain_PassSuspended_ALaterOneDoesItsWork()
    {
        (Action<FrozenScene> before, Action<FrozenScene> act) = s_acts["makes a pass"];
        foreach ((Step step, int time) in StepsOf(before, act))
        {
            using FrozenScene scene = new();
            before(scene);
            Freeze(
                () => act(scene),
                () =>
                {
                    scene.AdvanceByAnInterval();
                    scene.Registry.Maintain();
                    scene.Registry.TryGetEntry("late", out _).Should().BeFalse("its lease ran out long ago, and a pass frozen at {0} must not keep it", step);
                },
                step,
                time);
        }
    }

    [Fact]
    public void TryEnd_ReplacementEndsBeforeItEndedTheOlderOne_ThePortOfTheOlderOneIsFree()
    {
        HashSet<bool> met = [];
        foreach ((Step step, int time) in StepsOf(scene => scene.PrepareMortalsReplacement("frozen"), scene => scene.ReplaceByMortal("frozen")))
        {
            using FrozenScene scene = new();
            scene.PrepareMortalsReplacement("frozen");
            Freeze(
                () => scene.ReplaceByMortal("frozen"),
                () =>
                {
                    bool isReplaced = scene.Registry.TryGetPort("frozen", out int port) && port == scene.FarPort;
                    met.Add(isReplaced);
                    scene.KillMortal();
                    bool isFree = scene.There.Register(scene.Registry, "other", scene.FirstPort, out _, out PortRefusal? refusal);
                    isFree.Should().Be(isReplaced, "the thread was frozen at {0}, for the {1}. time: {2}", step, time, refusal?.Message);
                },
                step,
                time);
        }

        met.Should().BeEquivalentTo([true, false], "it is frozen before the replacement is in force, and afterwards");
    }

    /// <summary>The steps of an act: each kind, and which time.</summary>
    private List<(Step Step, int Time)> StepsOf(Action<FrozenScene> before, Action<FrozenScene> act, bool isStored = false, bool isGuarded = false)
    {
        using FrozenScene scene = new(isStored, isGuarded);
        before(scene);
        Dictionary<Step, int> times = [];
        _puppets.Run([() => act(scene)], Schedule.OneAfterTheOther, (step, _) => times[step] = times.GetValueOrDefault(step) + 1);
        times.Should().NotBeEmpty("otherwise nothing is tried");
        return [.. times.SelectMany(kind => Enumerable.Range(0, Math.Min(kind.Value, MostOfAKind)).Select(i => (kind.Key, 1 + (i * kind.Value / Math.Min(kind.Value, MostOfAKind)))))];
    }

    /// <summary>Freezes one thread at a step until the other one is done.</summary>
    private void Freeze(Action act, Action meanwhile, Step at, int time)
    {
        int times = 0;
        _puppets.Run(
            [act, meanwhile],
            Schedule.OneAfterTheOther,
            (step, thread) =>
            {
                if (thread == 0 && step == at && ++times == time)
                {
                    _frozenAt.Add(step);
                    _puppets.SwitchTo(1);
                }
            });
    }
}
