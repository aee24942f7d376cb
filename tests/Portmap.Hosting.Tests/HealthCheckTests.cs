using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Portmap.Hosting.Tests;

/// <summary>What the health check finds, by doing what a supervisor and a worker do.</summary>
public sealed class HealthCheckTests
{
    [Fact]
    public async Task Check_RunningDaemon_IsHealthyAndSaysWhy()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Healthy, health.Description);
        health.Data.Should().Contain("store", "works").And.Contain("used", 0).And.Contain("ports", 10).And.Contain("share", 0.0).And.Contain("passes", "in time");
        health.Data["endpoints"].Should().BeEquivalentTo(new[] { folder.Socket() });
        host.Host.Services.GetRequiredService<PortRegistry>().TryGetEntry("portmap/health", out _).Should().BeFalse("it gives back what it took");
    }

    [Fact]
    public async Task Check_AnyHost_HasWhatDiagnoseSaysAsItsData()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddPortmap(options => (options.Ports, options.MaxOwners) = (PortBlock.Take(2).ToString(), 3));   // RangeTooSmall
            services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
            services.AddHealthChecks().AddPortmap();
        }));
        await host.StartAsync();

        HealthReportEntry health = await CheckAsync(host);

        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        health.Data["findings"].Should().BeEquivalentTo(registry.Diagnose().Select(finding => finding.ToString()))
            .And.BeOfType<string[]>().Which.Should().ContainMatch("RangeTooSmall*");
        health.Status.Should().Be(HealthStatus.Healthy, "that is advice");
        health.Data["store"].Should().Be("none");
    }

    [Fact]
    public async Task Check_GuardOff_IsDegraded()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddPortmap(options => (options.Ports, options.Probe) = (PortBlock.Take(4).ToString(), false));
            services.AddHealthChecks().AddPortmap();
        }));

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Degraded);
        health.Description.Should().Contain("GuardUnavailable");
    }

    [Fact]
    public async Task Check_StoreThatFails_IsUnhealthyUntilItWorksAgain()
    {
        using TempFolder folder = new();
        FakePortStore store = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<IPortStore>(store).AddHealthChecks().AddPortmap()));
        await host.StartAsync();
        (await CheckAsync(host)).Status.Should().Be(HealthStatus.Healthy);

        store.Fail(new IOException("the disk is gone"));
        HealthReportEntry failed = await CheckAsync(host);
        store.Heal();
        HealthReportEntry works = await CheckAsync(host);

        failed.Status.Should().Be(HealthStatus.Unhealthy);
        failed.Description.Should().Contain("the disk is gone");
        works.Status.Should().Be(HealthStatus.Healthy, works.Description);
    }

    [Fact]
    public async Task Check_GivenUpWhileTheStoreHangs_LeavesNoLeaseBehind()
    {
        FakePortStore store = new();
        await using AsyncHost host = new(Stored(store));
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        using CancellationTokenSource end = new();
        store.Hold();
        Task<HealthCheckResult> givenUp = BeginCheck(host, end.Token);
        await store.ArrivedAsync().Within();

        await end.CancelAsync();

        await FluentActions.Awaiting(() => givenUp.Within()).Should().ThrowAsync<OperationCanceledException>();
        store.Release();
        (await CheckAsync(host)).Data.Should().Contain("store", "works");
        registry.TryGetEntry("portmap/health", out _).Should().BeFalse("what took effect afterwards is given back all the same");
    }

    [Fact]
    public async Task Check_TwoAtOnce_BothSayWhatTheStoreDoes()
    {
        FakePortStore store = new();
        await using AsyncHost host = new(Stored(store));
        _ = host.Host.Services.GetRequiredService<PortRegistry>();   // open before the store hangs
        store.Hold();
        Task<HealthCheckResult> first = BeginCheck(host, CancellationToken.None);
        await store.ArrivedAsync().Within();
        Task<HealthCheckResult> second = BeginCheck(host, CancellationToken.None);

        second.IsCompleted.Should().BeFalse("what it would say is not known yet");
        store.Release();

        foreach (HealthCheckResult result in await Task.WhenAll(first, second).Within())
        {
            result.Status.Should().Be(HealthStatus.Healthy, result.Description);
            result.Data.Should().Contain("store", "works");
        }

        store.Batches.SelectMany(batch => batch).Count(fact => fact.State == PortState.Reserved).Should().Be(1, "one trial tells both");
    }

    [Fact]
    public async Task Check_SomebodyElseHoldsItsOwner_SaysThatTheStoreWasNotTried()
    {
        await using AsyncHost host = new(Stored(new FakePortStore()));
        await host.Host.Services.GetRequiredService<PortRegistry>().AcquireAsync("portmap/health").Within();

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Degraded);
        health.Data["store"].Should().BeOfType<string>().Which.Should().StartWith("not tried: ");
        health.Description.Should().Contain("could not be tried");
    }

    [Fact]
    public async Task Check_RunBeforeWasKilledWhileItTriedTheStore_IsHealthy()
    {
        using TempFolder folder = new();
        FakePortStore store = new();
        await using PortRegistry killed = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() }, store).Within();
        await killed.AcquireAsync("portmap/health").Within();
        FakePortStore left = store.AfterKill();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddSingleton<IPortStore>(left).AddHealthChecks().AddPortmap()));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        registry.TryGetEntry("portmap/health", out _).Should().BeTrue("its lease was restored");

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Healthy, health.Description);
        health.Data.Should().Contain("store", "works");
        registry.TryGetEntry("portmap/health", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(PortDurability.Confirmed, "works")]
    [InlineData(PortDurability.Background, "not tried: it confirms nothing")]
    public async Task Check_RegistryOfTheHostsOwn_GoesByThatRegistry(PortDurability durability, string store)
    {
        using TempFolder folder = new();
        PortRegistryOptions own = new() { Ports = PortBlock.Take(4).ToString(), StateFolder = folder["state"], Durability = durability };
        await using PortRegistry registry = await PortRegistry.OpenAsync(own).Within();
        await using AsyncHost host = new(TestHost.Build(services => services.AddSingleton(registry).AddHealthChecks().AddPortmap()));

        (await CheckAsync(host)).Data.Should().Contain("store", store);
    }

    [Fact]
    public async Task Check_PassesThatDoNotRun_IsUnhealthy()
    {
        StandingClock clock = new();
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddPortmap(options => options.Ports = PortBlock.Take(4).ToString());
            services.AddSingleton<TimeProvider>(clock).AddHealthChecks().AddPortmap();
        }));
        (await CheckAsync(host)).Status.Should().Be(HealthStatus.Healthy);

        clock.Move(TimeSpan.FromHours(1));
        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Unhealthy);
        health.Description.Should().Contain("PassOverdue");
        health.Data["passes"].Should().NotBe("in time");
    }

    [Fact]
    public async Task Check_StateThatWasNotReadable_IsDegraded()
    {
        await using AsyncHost host = new(Stored(new FakePortStore { Unreadable = "three lines of it" }));

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Degraded);
        health.Description.Should().Contain("StateUnreadable").And.Contain("three lines of it");
    }

    [Fact]
    public async Task Check_StateThatWasMoved_IsDegradedAtLeast()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();
        Directory.Move(folder["state"], folder["moved"]);

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().NotBe(HealthStatus.Healthy);
        health.Description.Should().Contain("StateMoved");
    }

    [Fact]
    public async Task Check_ServerStopped_IsUnhealthy()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();
        await host.Host.Services.GetRequiredService<PortmapServer>().StopAsync().Within();

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Unhealthy);
        health.Description.Should().Contain("does not listen");
    }

    [Fact]
    public async Task Check_SocketFileOfAnother_IsWhateverStatusWasAskedFor()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(TestHost.Served(folder, services => services.AddHealthChecks().AddPortmap(failureStatus: HealthStatus.Degraded)));
        await host.StartAsync();
        File.Delete(folder["portmap.sock"]);
        await File.WriteAllTextAsync(folder["portmap.sock"], "no socket").Within();

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Degraded);
        health.Description.Should().Contain("does not answer");
    }

    [Fact]
    public async Task Check_NineTenthsOfTheRangeInUse_IsDegraded()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        PortRequest Ask(int number) => new($"b{number}") { Strategy = "AllocatorPicks" };
        for (int i = 0; i < 8; i++)
        {
            await registry.AcquireAsync(Ask(i)).Within();
        }

        HealthReportEntry before = await CheckAsync(host);
        await registry.AcquireAsync(Ask(8)).Within();
        HealthReportEntry after = await CheckAsync(host);

        before.Status.Should().Be(HealthStatus.Healthy, before.Description);
        after.Status.Should().Be(HealthStatus.Degraded);
        after.Data.Should().Contain("used", 9).And.Contain("share", 0.9);
    }

    [Fact]
    public async Task Check_NineTenthsOfWhatIsNotExcludedInUse_IsDegraded()
    {
        using TempFolder folder = new();
        PortRange range = PortBlock.Take(20);
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddPortmap(options => (options.Ports, options.Exclude, options.Strategy) = ($"{range}", $"{range.First}-{range.First + 9}", "AllocatorPicks"));
            services.AddHealthChecks().AddPortmap();
        }));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        for (int i = 0; i < 9; i++)
        {
            await registry.AcquireAsync($"b{i}").Within();
        }

        HealthReportEntry found = await CheckAsync(host);

        found.Status.Should().Be(HealthStatus.Degraded, found.Description);
        found.Data.Should().Contain("used", 9).And.Contain("ports", 10);
    }

    [Fact]
    public async Task Check_UdpAloneFillsTheRange_IsDegraded()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        for (int i = 0; i < 9; i++)
        {
            await registry.AcquireAsync(new PortRequest($"b{i}") { Strategy = "AllocatorPicks", Protocol = PortProtocol.Udp }).Within();
        }

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Degraded);
        health.Data.Should().Contain("used", 9);
    }

    [Fact]
    public async Task Check_PortsThatCool_AreNotInUse()
    {
        using TempFolder folder = new();
        await using AsyncHost host = new(WithState(folder));
        await host.StartAsync();
        PortRegistry registry = host.Host.Services.GetRequiredService<PortRegistry>();
        for (int i = 0; i < 9; i++)
        {
            PortLease lease = await registry.AcquireAsync(new PortRequest($"b{i}") { Strategy = "AllocatorPicks" }).Within();
            await lease.ReleaseAsync().Within();
            registry.TryGetEntry(lease.Port, out PortEntry entry).Should().BeTrue();
            entry.State.Should().Be(PortState.Cooling);
        }

        HealthReportEntry health = await CheckAsync(host);

        health.Status.Should().Be(HealthStatus.Healthy, health.Description);
        health.Data.Should().Contain("used", 0);
    }

    [Fact]
    public async Task Check_Keyed_LooksAtThatRegistry()
    {
        await using AsyncHost host = new(TestHost.Build(services =>
        {
            services.AddKeyedPortmap("a", options => options.Ports = PortBlock.Take(5).ToString());
            services.AddHealthChecks().AddPortmap("map a", key: "a", tags: ["ready"]);
        }));

        HealthReportEntry health = await CheckAsync(host, "map a");

        health.Data.Should().Contain("ports", 5);
        health.Tags.Should().Equal("ready");
    }

    private static IHost WithState(TempFolder folder) => TestHost.Build(services =>
    {
        services.AddPortmap(options => (options.Ports, options.StateFolder) = (PortBlock.Take(10).ToString(), folder["state"]));
        services.AddPortmapServer(options => options.Endpoints.Add(folder.Socket()));
        services.AddHealthChecks().AddPortmap();
    });

    private static IHost Stored(FakePortStore store) => TestHost.Build(services =>
    {
        services.AddPortmap(options => options.Ports = PortBlock.Take(4).ToString());
        services.AddSingleton<IPortStore>(store).AddHealthChecks().AddPortmap();
    });

    // On this thread up to its first wait: the check itself, without the service that would put it on another one.
    private static Task<HealthCheckResult> BeginCheck(AsyncHost host, CancellationToken cancellationToken)
    {
        IServiceProvider services = host.Host.Services;
        HealthCheckRegistration registration = services.GetRequiredService<IOptions<HealthCheckServiceOptions>>().Value.Registrations.Single();
        return registration.Factory(services).CheckHealthAsync(new HealthCheckContext { Registration = registration }, cancellationToken);
    }

    private static async Task<HealthReportEntry> CheckAsync(AsyncHost host, string name = "portmap")
    {
        HealthReport report = await host.Host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync().Within();
        return report.Entries[name];
    }

    /// <summary>A clock that stands until it is moved, and whose timers never fire.</summary>
    private sealed class StandingClock : TimeProvider
    {
        private long _ticks = DateTimeOffset.UnixEpoch.AddYears(50).UtcTicks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public override DateTimeOffset GetUtcNow() => new(GetTimestamp(), TimeSpan.Zero);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new DeafTimer();

        public void Move(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }

    private sealed class DeafTimer : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
