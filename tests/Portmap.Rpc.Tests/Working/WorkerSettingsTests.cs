using System.Diagnostics.CodeAnalysis;
using Portmap.Rpc.Working;

namespace Portmap.Rpc.Tests.Working;

/// <summary>What a worker is told that cannot be read: the message names who said it, an option or
/// a variable.</summary>
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
}
