using System.Diagnostics;
using System.Globalization;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A state folder or file that is moved, deleted or replaced under a registry that runs:
/// nothing is confirmed into nowhere.</summary>
public sealed class StateMovedTests : IDisposable
{
    private readonly StateFolderOfTest _root = new(onDisk: true);

    private string State => Path.Combine(_root.Path, "state");

    /// <summary>What somebody does to the state (S), in the words of a shell.</summary>
    public static TheoryData<string> Deeds =>
    [
        "rm $S/portmap.state",
        "rm -r $S",
        "rm $S/*",
        "mv $S $S.away",
        "mv $S $S.away; mkdir -m 700 $S",
        "cp -a $S $S.copy; mv $S $S.away; mv $S.copy $S",
        "mv $S/portmap.state $S/portmap.state.bak",
        "cp -p $S/portmap.state $S/x; mv $S/x $S/portmap.state",
        "rm $S/portmap.state; ln -s $S.nowhere $S/portmap.state",
        "rm $S/portmap.lock",
        "cp $S/portmap.lock $S/x; mv $S/x $S/portmap.lock",
        "mv $S $S.away; ln -s $S.away/.. $S",
        "cp -a $S $S.copy; mv $S $S.away; ln -s $S.copy $S",
        "mv $S $S.away; echo file > $S",
    ];

    /// <summary>Those after which something can be written at its path.</summary>
    public static TheoryData<string> DeedsThatLeaveAFolder =>
        [.. Deeds.Cast<object[]>().Select(row => (string)row[0]).Where(deed => !deed.EndsWith("> $S", StringComparison.Ordinal))];

    public void Dispose() => _root.Dispose();

    [Theory]
    [MemberData(nameof(Deeds))]
    public async Task AcquireAsync_StateIsNoLongerAtItsPath_IsRefusedAndNamedAndThenWrittenAnew(string deed)
    {
        PortRegistry registry = await OpenAsync();
        await registry.AcquireAsync("before").AsTask().Within();
        await DoAsync(deed);
        PortRefusal refusal = await registry.AcquireAsync("meanwhile").RefusalAsync();
        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        refusal.Message.Should().Contain(State);
        registry.TryGetEntry("meanwhile", out _).Should().BeFalse();
        registry.Diagnose().Should().Contain(finding => finding.Kind == PortFindingKind.StateMoved).Which.Value.Should().Contain(State);

        if (deed.EndsWith("> $S", StringComparison.Ordinal))
        {
            (await registry.AcquireAsync("still").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed, "no folder can be made there");
            await DoAsync("rm $S");
        }

        await registry.AcquireAsync("after").AsTask().Within();
        await registry.AcquireAsync("again").AsTask().Within();
        registry.Diagnose().Count(finding => finding.Kind == PortFindingKind.StateMoved).Should().BeInRange(
            1, deed.EndsWith("> $S", StringComparison.Ordinal) ? 3 : 2, "it is told once for each thing that was moved: gone, a file, and gone again");
        await registry.DisposeAsync().AsTask().Within();
        await using PortRegistry next = await OpenAsync();
        next.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).Select(entry => entry.Owner).Should().BeEquivalentTo("before", "after", "again");
    }

    /// <summary>The mark of a clean end says nothing of what is written since: after a kill the next
    /// opening would believe it.</summary>
    [Theory]
    [InlineData("mv $S $S.away; mkdir -m 700 $S; touch $S/portmap.settled")]
    [InlineData("cp -a $S $S.copy; touch $S.copy/portmap.settled; mv $S $S.away; mv $S.copy $S")]
    [InlineData("cp $S/portmap.lock $S/x; mv $S/x $S/portmap.lock; touch $S/portmap.settled")]
    [InlineData("cp -p $S/portmap.state $S/x; mv $S/x $S/portmap.state; touch $S/portmap.settled")]
    public async Task AcquireAsync_ACopyWasRestoredWithItsMarkOfACleanEnd_TheMarkIsTakenAway(string deed)
    {
        string mark = Path.Combine(State, SettledMark.Name);
        PortRegistry registry = await OpenAsync();
        await DoAsync(deed);
        (await registry.AcquireAsync("meanwhile").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);

        await registry.AcquireAsync("after").AsTask().Within();

        File.Exists(mark).Should().BeFalse();
        await registry.DisposeAsync().AsTask().Within();
        File.Exists(mark).Should().BeTrue("now it is the end");
    }

    [Theory]
    [MemberData(nameof(Deeds))]
    public async Task AcquireAsync_AnotherDaemonHasThePath_IsRefusedUntilThatOneEndsAndKeepsWhatItConfirmed(string deed)
    {
        if (deed.EndsWith("> $S", StringComparison.Ordinal))
        {
            deed = "mv $S $S.away";   // there no daemon can begin
        }

        await using PortRegistry first = await OpenAsync();
        await first.AcquireAsync("before").AsTask().Within();
        await DoAsync(deed);
        if (deed.Contains("$S/portmap.state", StringComparison.Ordinal))
        {
            (await OpenAsync().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StateInUse, "the first one holds the path's lock");
            (await first.AcquireAsync("of the first").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed, "it tells what was moved");
            await first.AcquireAsync("of the first").AsTask().Within();
            return;
        }

        PortRegistry second = await OpenAsync();
        await second.AcquireAsync("of the second").AsTask().Within();
        for (int i = 0; i < 3; i++)
        {
            PortRefusal refusal = await first.AcquireAsync("of the first").RefusalAsync();
            refusal.Reason.Should().Be(PortRefusalReason.StoreFailed, "two daemons never confirm at the same time");
            await second.AcquireAsync(string.Create(CultureInfo.InvariantCulture, $"of the second, too {i}")).AsTask().Within();
        }

        await second.DisposeAsync().AsTask().Within();
        string written = await File.ReadAllTextAsync(Path.Combine(State, FilePortStore.FileName));
        await first.AcquireAsync("of the first").AsTask().Within();
        written.Should().Contain("of the second, too 2");
        Directory.GetFiles(State, "*.found-*").Select(File.ReadAllText).Should().Contain(written, "what another daemon confirmed is kept");
    }

    [Fact]
    public async Task AcquireAsync_MovedAgainAndAgain_IsKeptEachTime()
    {
        await using PortRegistry registry = await OpenAsync();
        for (int i = 0; i < 5; i++)
        {
            await DoAsync(string.Create(CultureInfo.InvariantCulture, $"cp -p $S/portmap.state $S/x; echo {i} >> $S/x; mv $S/x $S/portmap.state"));
            (await registry.AcquireAsync("a").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            await registry.AcquireAsync(string.Create(CultureInfo.InvariantCulture, $"a{i}")).AsTask().Within();
        }

        Directory.GetFiles(State, "*.found-*").Should().HaveCount(5);
        registry.Diagnose().Count(finding => finding.Kind == PortFindingKind.StateMoved).Should().Be(1);
    }

    [Theory]
    [MemberData(nameof(DeedsThatLeaveAFolder))]
    public async Task Compaction_StateIsNoLongerAtItsPath_LosesNothing(string deed)
    {
        PortFact[] facts = [.. Enumerable.Range(1, 400).Select(i => FactGen.Bound(string.Create(CultureInfo.InvariantCulture, $"b{i % 20}"), 50_000 + (i % 20), 16L * i))];
        List<PortFact> confirmed = [];
        await using (FilePortStore store = new(new StateFolder(State), TimeProvider.System, allowedLength: 8_192))
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
            for (int i = 0; i < facts.Length; i++)
            {
                if (i == facts.Length / 2)
                {
                    await store.Compaction.Within();   // one that runs would take the path again by itself, before the next append
                    await DoAsync(deed);
                }

                try
                {
                    await store.AppendAsync([facts[i]], CancellationToken.None).Within();
                    confirmed.Add(facts[i]);
                }
                catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.StoreFailed)
                {
                    // told, so it counts for nothing
                }
            }

            confirmed.Count.Should().BeInRange(facts.Length - 10, facts.Length - 1);
        }

        PortFactSet read = new();
        await using FilePortStore again = new(State, TimeProvider.System);
        await again.LoadAsync(read.Apply, text => Assert.Fail(text), CancellationToken.None).Within();
        PortFactSet expected = FactGen.SetOf([.. confirmed]);
        FactGen.Lines(FactGen.SetOf([.. read.Claims, .. expected.Claims])).Should().Equal(FactGen.Lines(read), "all that was confirmed is there, or something newer");
    }

    [Fact]
    public async Task DisposeAsync_StateWasMovedAway_TouchesNothingAtThePath()
    {
        PortRegistry registry = await OpenAsync();
        await registry.AcquireAsync("before").AsTask().Within();
        await DoAsync("mv $S $S.away");
        await registry.DisposeAsync().AsTask().Within();
        Directory.Exists(State).Should().BeFalse();
        File.Exists(Path.Combine(State + ".away", SettledMark.Name)).Should().BeFalse("nobody can say that of what is elsewhere");
    }

    [Fact]
    public async Task Sync_FolderWasMovedAwayJustNow_SaysSo()
    {
        using StateFolder folder = new(State);
        folder.Take();
        folder.Sync();
        await DoAsync("mv $S $S.away");

        Action sync = folder.Sync;

        sync.Should().Throw<StateMovedException>("a name that was made where nobody looks is not made").WithMessage($"*{State}*");
    }

    [NeedsMountFact]
    public async Task AcquireAsync_FolderIsMountedOver_IsRefusedAndThenWrittenWhereThePathLeads()
    {
        using Child mount = Child.Start("unshare", "--mount", "sh", "-c", $"mount -t tmpfs -o mode=700 tmpfs '{_root.Path}' && mkdir -m 700 '{State}' && echo mounted && exec sleep 600");
        (await mount.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("mounted");
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{mount.Id}/root{State}");
        await using PortRegistry registry = await OpenAsync(path);
        await registry.AcquireAsync("before").AsTask().Within();
        using (Process over = Process.Start("nsenter", ["-t", string.Create(CultureInfo.InvariantCulture, $"{mount.Id}"), "-m", "-r", "mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", State]))
        {
            await over.WaitForExitAsync().Within();
            over.ExitCode.Should().Be(0);
        }

        (await registry.AcquireAsync("meanwhile").RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, path);
        registry.Diagnose().Should().Contain(finding => finding.Kind == PortFindingKind.StateMoved);
        await registry.AcquireAsync("after").AsTask().Within();
        (await File.ReadAllTextAsync(Path.Combine(path, FilePortStore.FileName))).Should().Contain("owner=before").And.Contain("owner=after");
    }

    private Task<PortRegistry> OpenAsync(string? path = null) => PortRegistry.OpenAsync(
        new PortRegistryOptions { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, StateFolder = path ?? State, LeaseTimeout = TimeSpan.FromHours(1) }).Within();

    private async Task DoAsync(string deed)
    {
        using Process shell = Process.Start(new ProcessStartInfo("sh", ["-ec", $"S='{State}'; {deed}"]))!;
        await shell.WaitForExitAsync().Within();
        shell.ExitCode.Should().Be(0, deed);
    }
}
