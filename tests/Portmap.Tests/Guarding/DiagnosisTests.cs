using System.Globalization;
using System.Text.RegularExpressions;
using Portmap.Guarding;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>What the registry says about the host, from the kernel's own files as a test writes
/// them.</summary>
public sealed class DiagnosisTests : IDisposable
{
    private readonly TempFolder _proc = new();

    public DiagnosisTests() => Kernel("32768\t60999", "", 1_048_576);

    public void Dispose() => _proc.Dispose();

    [Fact]
    public void Find_RangeOverlapsTheEphemeralOne_NamesThePortsAndTheExactCommand()
    {
        PortFinding finding = Find(new PortRegistryOptions()).Should().ContainSingle().Which;

        finding.Kind.Should().Be(PortFindingKind.EphemeralOverlap);
        finding.Value.Should().Contain("11848 of 16384").And.Contain("49152-60999");
        finding.Expected.Should().Contain("32768-60999");
        finding.Remedy.Should().Be("Run: sysctl -w net.ipv4.ip_local_reserved_ports=49152-60999");
        finding.ToString().Should().ContainAll(finding.Kind.ToString(), finding.Value, finding.Expected, finding.Remedy);
    }

    [Fact]
    public void Find_SomeOfTheOverlapIsReserved_TheCommandKeepsWhatIsReserved()
    {
        Kernel("32768\t60999", "8080,50000-50009", 1_048_576);

        Find(new PortRegistryOptions { Ports = "49999-50011" }).Should().ContainSingle().Which.Remedy
            .Should().Be("Run: sysctl -w net.ipv4.ip_local_reserved_ports=8080,50000-50009,49999,50010-50011");
    }

    [Theory]
    [InlineData("61000-65535", "")]
    [InlineData("49152-65535", "49152-60999")]
    public void Find_OutsideOrReserved_SaysNothing(string ports, string reserved)
    {
        Kernel("32768\t60999", reserved, 1_048_576);

        Find(new PortRegistryOptions { Ports = ports }).Should().BeEmpty();
    }

    [Theory]
    [InlineData("49152-65535", 0, true)]
    [InlineData("49152-65535", 4_083, true)]
    [InlineData("49152-65535", 4_084, false)]
    [InlineData("60000-61199", 100, true)]
    [InlineData("60000-61199", 101, false)]
    [InlineData("60000-61098", 0, false)]
    [InlineData("32768-60999", 0, false)]
    public void Find_RangeOverlapsTheEphemeralOne_IsANoteWhileEnoughOthersAreFree(string ports, int used, bool isNote)
    {
        PortFinding finding = Find(new PortRegistryOptions { Ports = ports }, isUsed: port => port >= 61_000 && port < 61_000 + used)
            .Single(found => found.Kind == PortFindingKind.EphemeralOverlap);

        finding.IsNote.Should().Be(isNote, finding.Value);
    }

    [Fact]
    public void Find_OthersAreExcluded_AreNotCounted()
    {
        PortFinding finding = Find(new PortRegistryOptions { Exclude = "61000-65500" }).Should().ContainSingle().Which;

        finding.IsNote.Should().BeFalse("35 are left");
        finding.Value.Should().EndWith("; 35 of 35 others are free and are used first");
    }

    [Fact]
    public void Find_WhatOverlapsIsExcluded_SaysNothing() =>
        Find(new PortRegistryOptions { Exclude = "49152-60999" }).Should().BeEmpty("no port that is handed out is the kernel's as well");

    [Fact]
    public void Find_SomeOfTheOverlapIsExcluded_TheCommandReservesTheRest()
    {
        PortRegistryOptions options = new() { Exclude = "49152-60000", KeptPorts = { ["b1"] = 60_500 } };

        PortFinding finding = Find(options).Should().ContainSingle().Which;

        finding.Remedy.Should().Be("Run: sysctl -w net.ipv4.ip_local_reserved_ports=60001-60999", "one is kept for somebody, and so handed out");
        finding.Value.Should().StartWith("999 of 5535 ports of 49152-65535 without 49152-60000 (60001-60999)");
    }

    public static IEnumerable<object[]> Overlaps { get; } =
        from kernel in (string[])["32768\t60999", "1024\t65535", "16384\t65535", "49152\t65535", "50000\t50099", "60000\t60001", "40000\t40000", "32768\t40959"]
        from ports in (string[])["1024-65535", "1-65535", "32768-60999", "49152-65535", "30000-61000", "40000-40000", "50000-50050", "60000-60001", "32768-52806", "32768-52807"]
        from reserved in (string[])["", "50000-60000", "1024-49151"]
        select new object[] { kernel, ports, reserved };

    [Theory]
    [MemberData(nameof(Overlaps))]
    public void Find_RangeOverlaps_TheRemedyFollowedLeavesTheKernelPortsAndEndsTheFinding(string kernel, string ports, string reserved)
    {
        Kernel(kernel, reserved, 1_048_576);
        int before = Ephemeral();
        bool overlaps = PortsOf(ports).Intersect(PortsOf(kernel.Replace('\t', '-'))).Except(PortsOf(reserved)).Any();

        PortFinding? finding = Find(new PortRegistryOptions { Ports = ports }).SingleOrDefault(found => found.Kind == PortFindingKind.EphemeralOverlap);

        (finding is not null).Should().Be(overlaps);
        if (finding is null)
        {
            return;
        }

        string remedy = finding.Remedy;
        Match sysctl = Regex.Match(remedy, "sysctl -w net.ipv4.ip_local_reserved_ports=(\\S+)"), other = Regex.Match(remedy, "Set Ports to (\\d+-\\d+)");
        (sysctl.Success || other.Success).Should().BeTrue("it can be followed: {0}", remedy);
        if (sysctl.Success)
        {
            Kernel(kernel, sysctl.Groups[1].Value, 1_048_576);
        }

        Ephemeral().Should().BeGreaterThanOrEqualTo(Math.Min(8_192, before / 2), "the host must be able to connect; it was told: {0}", remedy);
        Find(new PortRegistryOptions { Ports = other.Success ? other.Groups[1].Value : ports })
            .Should().NotContain(found => found.Kind == PortFindingKind.EphemeralOverlap, "it was told: {0}", remedy);
    }

    [Theory]
    [InlineData("80-90", "0000000000000000", "all", 11)]
    [InlineData("1000-1999", "0000000000000000", "some", 24)]
    [InlineData("1000-1999", "0000000000000400", null, 0)]
    [InlineData("1024-1999", "0000000000000000", null, 0)]
    public void Find_PortsNeedAPrivilege_SaysHowManyUnlessItIsThere(string ports, string capabilities, string? says, int count)
    {
        Kernel("32768\t60999", "", 1_048_576);
        File.WriteAllText(_proc["self/status"], $"Name:\tx\nCapEff:\t{capabilities}\n");
        File.WriteAllText(_proc["sys/net/ipv4/ip_unprivileged_port_start"], "1024\n");

        PortFinding[] found = [.. Find(new PortRegistryOptions { Ports = ports }).Where(finding => finding.Kind == PortFindingKind.RangeNotBindable)];

        found.Should().HaveCount(says is null ? 0 : 1);
        if (says is not null)
        {
            found[0].Value.Should().StartWith(says).And.Contain($"{count} of");
            found[0].Remedy.Should().Contain("CAP_NET_BIND_SERVICE").And.EndWith($"ip_unprivileged_port_start={ports.Split('-')[0]}");
        }
    }

    [Fact]
    public void Find_NothingCanBeRead_SaysNothingAboutPorts()
    {
        using TempFolder empty = new();

        Diagnosis.Find(PortRegistrySettings.From(new PortRegistryOptions(), KernelPorts.Read(empty.FullName)), new GuardThat(works: true), owners: 0, port => false).Should().BeEmpty();
    }

    [Fact]
    public void Find_FewerPortsThanOwners_NamesBoth()
    {
        Find(new PortRegistryOptions { Ports = "61000-61009", Exclude = "61000", MaxOwners = 10 }).Should().ContainSingle()
            .Which.Should().Match<PortFinding>(finding => finding.Kind == PortFindingKind.RangeTooSmall && finding.Value.Contains('9') && finding.Expected.Contains("10"));
        Find(new PortRegistryOptions { Ports = "61000-61009" }, owners: 11).Should().ContainSingle().Which.Expected.Should().Contain("11");
        Find(new PortRegistryOptions { Ports = "61000-61009", MaxOwners = 10 }).Should().BeEmpty();
    }

    [Fact]
    public void Find_TooFewDescriptors_GuardsTakeHalfAndItSaysHowManyAreNeeded()
    {
        Kernel("32768\t60999", "", 1_024);
        PortRegistryOptions options = new() { Ports = "61000-65535" };

        PortFinding finding = Find(options).Should().ContainSingle().Which;

        finding.Kind.Should().Be(PortFindingKind.TooFewDescriptors);
        finding.Value.Should().Contain("1024").And.Contain("512");
        finding.Remedy.Should().Contain("8192");
        PortRegistrySettings.From(options, KernelPorts.Read(_proc.FullName)).GuardLimit.Should().Be(512);
    }

    [Fact]
    public void Find_GuardUnavailable_SaysWhy() =>
        Find(new PortRegistryOptions { Ports = "61000-65535" }, guardWorks: false).Should().ContainSingle()
            .Which.Should().Match<PortFinding>(finding => finding.Kind == PortFindingKind.GuardUnavailable && finding.Value == "the moon is full");

    [Fact]
    public async Task Diagnose_ProbeOff_IsTheSameAsWhatWasLoggedOnceAtTheStart()
    {
        await using Scene scene = new();

        IReadOnlyList<PortFinding> findings = scene.Registry.Diagnose();
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        findings.Should().Contain(finding => finding.Kind == PortFindingKind.GuardUnavailable && finding.Value.Contains("Probe"));
        scene.Log.Of("Found").Should().Equal(findings.Select(finding => finding.ToString()));
    }

    [Fact]
    public async Task AddFinding_ThatIsANote_IsReturnedAndNoWarning()
    {
        await using Scene scene = new();

        scene.Registry.AddFinding(new PortFinding(PortFindingKind.EphemeralOverlap, "a part", "a range", "Run: this") { IsNote = true });

        scene.Registry.Diagnose()[^1].Value.Should().Be("a part");
        scene.Log.Of("Found").Should().BeEmpty();
        scene.Log.Of("Noted").Should().Equal("EphemeralOverlap: a part; a range");
    }

    [Fact]
    public async Task Diagnose_RealSockets_TheGuardWorksHere()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));

        scene.Registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.GuardUnavailable);
    }

    [Fact]
    public async Task AddFinding_IsReturnedAndLogged()
    {
        await using Scene scene = new();

        scene.Registry.AddFinding(new PortFinding(PortFindingKind.StateUnreadable, "line 3", "a checksum", "Restore a copy."));

        scene.Registry.Diagnose()[^1].Value.Should().Be("line 3");
        scene.Log.Of("Found")[^1].Should().Contain("line 3");
    }

    [Fact]
    public void Tiers_ReservedPortsComeWithThoseOutsideTheEphemeralRange()
    {
        Kernel("32768\t60999", "50000-50009", 1_048_576);

        PortRegistrySettings.From(new PortRegistryOptions(), KernelPorts.Read(_proc.FullName)).Ports.Tiers.Should().BeEquivalentTo(
            new PortRange[][] { [new(50_000, 50_009), new(61_000, 65_535)], [new(49_152, 49_999), new(50_010, 60_999)] },
            options => options.WithStrictOrdering());
    }

    [Theory]
    [InlineData("0-49999", 1, 49_999)]
    [InlineData("0,50000-50009", 50_000, 50_009)]
    [InlineData("0-1,50000-50009", 50_000, 50_009)]
    [InlineData("0", 0, -1)]
    public void MayHandOut_ReservedFromPort0On_LeavesThoseAlone(string reserved, int first, int last)
    {
        // The kernel takes and prints 0, which is no port of ours.
        Kernel("40000\t60999", reserved, 1_048_576);

        KernelPorts kernel = KernelPorts.Read(_proc.FullName);

        kernel.Reserved.Should().Be(reserved);
        Enumerable.Range(40_000, 21_000).Where(port => kernel.MayHandOut(port) == (port >= first && port <= last)).Should().BeEmpty();
    }

    [NeedsNamespaceFact]
    public async Task Reserved_LongerThanOnePage_IsReadWhole()
    {
        // The kernel answers at offset 0 only, so what one read does not hold is lost.
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync(
            "exec unshare --net sh -c \"seq -s, 2 2 65534 | dd bs=1M iflag=fullblock status=none of=/proc/sys/net/ipv4/ip_local_reserved_ports && exec @\"");

        (await daemon.AskAsync("reserved")).Should().Be("32767");
    }

    private static IEnumerable<int> PortsOf(string range) => range.Split('-') is [{ Length: > 0 } first, string last]
        ? Enumerable.Range(int.Parse(first, CultureInfo.InvariantCulture), int.Parse(last, CultureInfo.InvariantCulture) - int.Parse(first, CultureInfo.InvariantCulture) + 1)
        : [];

    private int Ephemeral()
    {
        KernelPorts kernel = KernelPorts.Read(_proc.FullName);
        return Enumerable.Range(1, 65_535).Count(kernel.MayHandOut);
    }

    private IEnumerable<PortFinding> Find(PortRegistryOptions options, int owners = 0, bool guardWorks = true, Func<int, bool>? isUsed = null) =>
        Diagnosis.Find(PortRegistrySettings.From(options, KernelPorts.Read(_proc.FullName)), new GuardThat(guardWorks), owners, isUsed ?? (port => false));

    private void Kernel(string range, string reserved, int descriptors)
    {
        Directory.CreateDirectory(_proc["sys/net/ipv4"]);
        Directory.CreateDirectory(_proc["self"]);
        File.WriteAllText(_proc["sys/net/ipv4/ip_local_port_range"], range + "\n");
        File.WriteAllText(_proc["sys/net/ipv4/ip_local_reserved_ports"], reserved + "\n");
        File.WriteAllText(_proc["self/limits"], $"Limit                     Soft Limit           Hard Limit           Units\nMax open files            {descriptors}              {descriptors}              files\n");
    }

    private sealed class GuardThat(bool works) : IPortGuard
    {
        public string? WhyUnavailable() => works ? null : "the moon is full";

        public GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted) => default;

        public void Dispose()
        {
        }
    }
}
