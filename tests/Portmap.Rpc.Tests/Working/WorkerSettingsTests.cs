using System.Diagnostics.CodeAnalysis;
using Portmap.Rpc.Working;

namespace Portmap.Rpc.Tests.Working;

/// <summary>What a worker makes of what it is told. What cannot be read or is outside the bounds is
/// named, by the option or the variable that said it; what is left open is known to be.</summary>
/// <remarks>Not beside others: a variable counts for the whole process.</remarks>
[CollectionDefinition(nameof(WorkerSettingsTests), DisableParallelization = true)]
[Collection(nameof(WorkerSettingsTests))]
[SuppressMessage("Naming", "CA1711", Justification = "xunit calls it a collection")]
public sealed class WorkerSettingsTests
{
    public static TheoryData<string, WorkerPortOptions> WrongOptions => new()
    {
        { "Port: '70000'", new() { Port = 70_000 } },
        { "Port: '-1'", new() { Port = -1 } },
        { "Epoch: '-1'", new() { Epoch = -1 } },
        { "Ports: ", new() { Ports = "5-1" } },
        { "Exclude: ", new() { Exclude = "1,x" } },
        { "BindAttempts: '0'", new() { BindAttempts = 0 } },
        { "Endpoint: ", new() { Endpoint = "nowhere" } },
    };

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void Resolve_OptionThatIsWrong_IsNamed(string says, WorkerPortOptions options)
    {
        options.Owner = "b1";
        foreach (string? name in (string?[])[null, "http"])
        {
            options.Name = name;

            FluentActions.Invoking(() => WorkerSettings.Resolve(options)).Should().Throw<FormatException>().WithMessage($"{says}*");
        }
    }

    [Theory]
    [InlineData(null, "PORTMAP_PORT", "x")]
    [InlineData(null, "PORTMAP_RANGE", "5-1")]
    [InlineData(null, "PORTMAP_ADDRESS", "here")]
    [InlineData(null, "PORTMAP_BIND_ATTEMPTS", "0")]
    [InlineData("http", "PORTMAP_HTTP_PORT", "-1")]
    [InlineData("http", "PORTMAP_HTTP_PORT", "+1")]
    [InlineData("http", "PORTMAP_HTTP_EXCLUDE", "x")]
    [InlineData("http", "PORTMAP_HTTP_PROTOCOL", "sctp")]
    [InlineData("http", "PORTMAP_HTTP_ENDPOINT", "nowhere")]
    [InlineData("http", "PORTMAP_ENDPOINT", "nowhere")]
    [InlineData("http", "PORTMAP_HTTP_ADDRESS", "here")]
    [InlineData("http", "PORTMAP_ADDRESS", "here")]
    [InlineData("http", "PORTMAP_HTTP_BIND_ATTEMPTS", "x")]
    [InlineData("http", "PORTMAP_BIND_ATTEMPTS", "0")]
    public void Resolve_VariableThatIsWrong_IsNamed(string? name, string variable, string value)
    {
        try
        {
            Environment.SetEnvironmentVariable(variable, value);

            FluentActions.Invoking(() => WorkerSettings.Resolve(new WorkerPortOptions { Owner = "b1", Name = name })).Should().Throw<FormatException>().WithMessage($"{variable}: *");
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    public static TheoryData<string, Action<WorkerPortOptions>> Wrong { get; } = new()
    {
        { "ConnectTimeout", options => options.ConnectTimeout = TimeSpan.FromTicks(-1) },
        { "ConnectTimeout", options => options.ConnectTimeout = TimeSpan.FromDays(1) + TimeSpan.FromTicks(1) },
        { "ConnectTimeout", options => options.ConnectTimeout = Timeout.InfiniteTimeSpan },
        { "CallTimeout", options => options.CallTimeout = TimeSpan.Zero },
        { "CheckInterval", options => options.CheckInterval = TimeSpan.FromMilliseconds(99) },
        { "KeepConnection", options => options.KeepConnection = TimeSpan.FromDays(2) },
        { "Backlog", options => options.Backlog = 0 },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Resolve_OutsideTheBounds_NamesTheOption(string name, Action<WorkerPortOptions> set)
    {
        WorkerPortOptions options = Options();
        set(options);

        FluentActions.Invoking(() => WorkerSettings.Resolve(options)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
    }

    [Fact]
    public void Resolve_OnTheBounds_IsTaken()
    {
        WorkerPortOptions options = Options();
        (options.ConnectTimeout, options.CallTimeout, options.CheckInterval, options.KeepConnection) = (TimeSpan.Zero, Timeout.InfiniteTimeSpan, TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1));
        (options.Port, options.BindAttempts) = (65_535, 1_000);

        WorkerSettings settings = WorkerSettings.Resolve(options);

        (settings.Port, settings.BindAttempts, settings.CallTimeout).Should().Be((65_535, 1_000, Timeout.InfiniteTimeSpan));
    }

    [Theory]
    [InlineData(65_536, null)]
    [InlineData(-1, null)]
    [InlineData(null, 1_001)]
    [InlineData(null, 0)]
    public void Resolve_NumberOutsideTheBounds_IsToldWithThem(int? port, int? attempts)
    {
        WorkerPortOptions options = Options();
        (options.Port, options.BindAttempts) = (port, attempts);

        FluentActions.Invoking(() => WorkerSettings.Resolve(options)).Should().Throw<FormatException>().WithMessage($"*'{port ?? attempts}' is not a number from *");
    }

    [Theory]
    [InlineData(null, null, null, false)]
    [InlineData(50_000, null, null, true)]
    [InlineData(null, 16L, null, true)]
    [InlineData(null, null, "50000-50009", true)]
    public void IsToldWhere_PortLeaseOrRange_IsTrue(int? port, long? epoch, string? ports, bool isTold)
    {
        WorkerPortOptions options = Options();
        (options.Port, options.Epoch, options.Ports) = (port, epoch, ports);

        WorkerSettings.Resolve(options).IsToldWhere.Should().Be(isTold, "who was told nothing asks the daemon");
    }

    private static WorkerPortOptions Options() => new() { Owner = "b1", Endpoint = "unix:/run/portmap.sock" };
}
