using System.Diagnostics;
using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>The listener of a program dies while this process has no descriptor left to see who goes
/// on.</summary>
[Collection(AloneCollection.Name)]
public sealed class ProgramWithoutDescriptorsTests : IDisposable
{
    private readonly Programs _programs = new();

    public void Dispose() => _programs.Dispose();

    [NeedsFact("python3")]
    public async Task Death_NobodyCanBeSeen_IsLeftToThePassThatCanSee()
    {
        await using PortRegistry registry = new(new PortRegistryOptions
        {
            Ports = PortBlock.Take(3).ToString(),
            Strategy = PortRegistryOptions.AllocatorPicks,
            LivenessInterval = TimeSpan.FromHours(1),   // the test makes the passes
            ReconcileInterval = TimeSpan.FromHours(1),
        });
        PortLease lease = await registry.AcquireAsync("many").Within();
        lease.OpenGate();
        Process program = _programs.Start(Programs.Prefork, ports: lease.Port);
        ILookup<string, int> all = await _programs.AllAsync(program, 4);
        PortEntry entry = await lease.RegisterAsync(program).Within();
        entry.ProcessId.Should().Be(program.Id, "the master is the oldest");
        SessionHolder session = SessionHolder.Of(registry.Parts.Table.FindServed(PortProtocol.Tcp, "many"))!;
        LookForASibling(session);   // so that all code is loaded

        bool isDead, isServed, lives;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            program.Kill();
            SpinWait.SpinUntil(() => !session.Watched.IsAlive(), Deadline.Default);
            isDead = !session.Watched.IsAlive();
            lives = session.CheckAlive();
            isServed = registry.TryGetPort("many", out _);
        }

        (isDead, lives, isServed).Should().Be((true, true, true), "a list that cannot be read convicts nobody");
        registry.Maintain();
        registry.TryGetEntry("many", out entry).Should().BeTrue("a worker goes on");
        all["worker"].Should().Contain(entry.ProcessId!.Value);
    }

    /// <summary>The list was read, and there is no descriptor left to see who has the
    /// sockets.</summary>
    [NeedsFact("python3")]
    public async Task Note_NobodyCanBeSeen_KeepsTheSocketsThatAreKnown()
    {
        int port = PortBlock.TakeOne();
        Process process = _programs.Start(Programs.Plain, ports: port);
        await _programs.NextAsync(process);
        ServedProgram program = new("plain", new ProcessFamily(ProcessIdentity.Of(process.Id, out _)), PortRegistrySettings.From(new PortRegistryOptions { Ports = $"{port}" }, KernelPorts.Unknown).Ports, isPassed: false);
        ListenTable table = ListenTable.Read(PortProtocol.Tcp);
        program.Note(PortProtocol.Tcp, port, table);
        long[] known = [.. program.Ports.Single().Sockets];
        known.Should().ContainSingle();

        bool isAnySeen;
        int[] living;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            living = [.. program.Family.Living()];
            isAnySeen = ProcessSockets.Of(process.Id) is not null;
            program.Note(PortProtocol.Tcp, port, table);
        }

        isAnySeen.Should().BeFalse();
        living.Should().Equal([process.Id], "who cannot be looked at has not gone");
        program.Ports.Single().Sockets.Should().Equal(known);
        process.Kill();
        process.WaitForExit(Deadline.Default).Should().BeTrue();
        program.Note(PortProtocol.Tcp, port, ListenTable.Read(PortProtocol.Tcp));
        program.Ports.Single().Sockets.Should().BeEmpty("what listens no more is not kept");
        program.Family.Living().Should().BeEmpty();
    }

    /// <summary>The list was read and the holder was found, and there is no descriptor left to see
    /// where that one came from.</summary>
    [NeedsTheory("python3")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Find_TheHolderCannotBeLookedAt_IsTakenForNoStranger(bool asASibling)
    {
        int port = PortBlock.TakeOne();
        Process root = _programs.Start(Programs.ListensAtALine, configure: Mark), listener = _programs.Start(Programs.Plain, configure: Mark, ports: port);
        await _programs.NextAsync(root);
        await _programs.NextAsync(listener);
        ListenTable table = ListenTable.Read(PortProtocol.Tcp);
        FewDescriptors? few = null;
        ListenerSearch loaded = Search(), search = Search();
        Find(loaded).Should().Be(new FoundListener(ListenerSight.Found, port, listener.Id), "it has the environment of the program");

        FoundListener found;
        using (few = new(more: 8))
        {
            found = Find(search);
        }

        few = null;
        found.Should().Be(new FoundListener(asASibling ? ListenerSight.Unreadable : ListenerSight.Unseen, port));
        Find(search).Should().Be(new FoundListener(ListenerSight.Found, port, listener.Id));

        static void Mark(ProcessStartInfo start) => (start.Environment["PORTMAP_OWNER"], start.Environment["PORTMAP_EPOCH"]) = ("b1", "17");
        ListenerSearch Search() => new(new ProcessFamily(ProcessIdentity.Of(root.Id, out _)), PortRegistrySettings.From(new PortRegistryOptions { Ports = $"{port}" }, KernelPorts.Unknown).Ports)
        {
            HoldersOf = (IReadOnlySet<long> sockets, out bool isWhole) =>
            {
                isWhole = true;
                few?.TakeAll();
                return [(listener.Id, [.. sockets])];
            },
        };
        FoundListener Find(ListenerSearch by) => asASibling
            ? by.FindSibling(PortProtocol.Tcp, port, except: root.Id, new HashSet<long>())
            : by.Find(PortProtocol.Tcp, port, table, thorough: false);
    }

    private static void LookForASibling(SessionHolder session)
    {
        session.Program!.Search.FindSibling(PortProtocol.Tcp, session.Program.Ports[0].Port, session.ProcessId, session.Program.Ports[0].Sockets);
        session.Watched.IsAlive().Should().BeTrue();
    }
}
