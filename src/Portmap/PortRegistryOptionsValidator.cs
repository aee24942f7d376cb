using System.Collections;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Options;
using Portmap.Diagnostics;

namespace Portmap;

/// <summary>Checks the options: each wrong value is named with its bound and the remedy.</summary>
internal sealed class PortRegistryOptionsValidator : IValidateOptions<PortRegistryOptions>
{
    public static readonly string[] BuiltInStrategies = [PortRegistryOptions.ProcessBinds, PortRegistryOptions.AllocatorPicks];

    /// <summary>As of an owner: a line of the state file holds both, each byte escaped.</summary>
    private const int MaxStrategyBytes = OwnerName.MaxBytes;

    public ValidateOptionsResult Validate(string? name, PortRegistryOptions options)
    {
        List<string> wrong = Complaints(options);
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    public static void ThrowIfInvalid(PortRegistryOptions options)
    {
        List<string> wrong = Complaints(options);
        if (wrong.Count != 0)
        {
            throw new OptionsValidationException(nameof(PortRegistryOptions), typeof(PortRegistryOptions), wrong);
        }
    }

    private static List<string> Complaints(PortRegistryOptions options)
    {
        List<string> wrong = [];
        CheckPorts(options, wrong);
        CheckStrategies(options, wrong);
        CheckEnum(wrong, nameof(options.Order), options.Order);
        CheckEnum(wrong, nameof(options.Reuse), options.Reuse);
        CheckEnum(wrong, nameof(options.Guard), options.Guard);
        if (options.Guard == PortGuardMode.PassSocket)
        {
            wrong.Add($"Guard is {options.Guard}, which would keep every program from its port that binds it by itself; ask for it by request (PortRequest.Guard), for the programs that take sockets.");
        }

        CheckEnum(wrong, nameof(options.Durability), options.Durability);
        TimeSpan day = TimeSpan.FromHours(24), hour = TimeSpan.FromHours(1);
        CheckTime(wrong, nameof(options.LeaseTimeout), options.LeaseTimeout, TimeSpan.FromMilliseconds(100), day);
        CheckTime(wrong, nameof(options.ReuseDelay), options.ReuseDelay, TimeSpan.Zero, day);
        CheckTime(wrong, nameof(options.DisconnectGrace), options.DisconnectGrace, TimeSpan.Zero, hour);
        CheckTime(wrong, nameof(options.LivenessInterval), options.LivenessInterval, TimeSpan.FromMilliseconds(50), hour);
        CheckTime(wrong, nameof(options.ReconcileInterval), options.ReconcileInterval, TimeSpan.FromMilliseconds(100), day);
        CheckTime(wrong, nameof(options.BackgroundFlush), options.BackgroundFlush, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1));
        CheckTime(wrong, nameof(options.OpenTimeout), options.OpenTimeout, TimeSpan.FromMilliseconds(100), hour);
        CheckTime(wrong, nameof(options.ForeignRecheck), options.ForeignRecheck, TimeSpan.FromMilliseconds(100), day);
        CheckNumber(wrong, nameof(options.BindAttempts), options.BindAttempts, 1, 1_000);
        CheckNumber(wrong, nameof(options.MaxOwners), options.MaxOwners, 1, 1_048_576);
        CheckNumber(wrong, nameof(options.MaxGuards), options.MaxGuards, 0, 131_072);
        CheckNumber(wrong, nameof(options.WatchCapacity), options.WatchCapacity, 16, 1_048_576);
        if (options.Endpoint is { } endpoint && !IsEndpoint(endpoint))
        {
            wrong.Add($"{nameof(options.Endpoint)} is '{endpoint}'; write unix:PATH with an absolute path of 1 to {SocketPath.MaxBytes} bytes, tcp:ADDRESS:PORT with a port of 1 to 65535, or leave it null.");
        }

        if (options.StateFolder is { } folder && (string.IsNullOrWhiteSpace(folder) || folder.Contains('\0', StringComparison.Ordinal)))
        {
            wrong.Add($"{nameof(options.StateFolder)} is '{folder.Replace("\0", "\\0", StringComparison.Ordinal)}'; name a folder, or leave it null to keep everything in memory.");
        }
        else if (options.StateFolder is { } path && !Path.IsPathFullyQualified(path))
        {
            wrong.Add($"{nameof(options.StateFolder)} is '{path}', which is relative to wherever the process was started; write an absolute path, for example '{Path.GetFullPath(path)}'.");
        }

        return wrong;
    }

    private static bool IsEndpoint(string text)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            return Encoding.UTF8.GetByteCount(text.AsSpan(5)) is >= 1 and <= SocketPath.MaxBytes && Path.IsPathFullyQualified(text[5..]);
        }

        return text.StartsWith("tcp:", StringComparison.Ordinal) && IPEndPoint.TryParse(text.AsSpan(4), out IPEndPoint? endpoint) && endpoint.Port != 0;
    }

    private static void CheckPorts(PortRegistryOptions options, List<string> wrong)
    {
        List<string> complaints = [];
        PortRange[] ranges = PortRange.ParseList(options.Ports, complaints);
        wrong.AddRange(complaints.Select(text => $"{nameof(options.Ports)}: {text}"));
        complaints = [];
        BitArray excluded = PortList.Parse(options.Exclude, complaints);
        wrong.AddRange(complaints.Select(text => $"{nameof(options.Exclude)}: {text} Several are separated by commas."));
        if (options.Exclude is null)
        {
            wrong.Add($"{nameof(options.Exclude)} is null; leave it empty to exclude nothing.");
        }

        if (ranges.Length != 0)
        {
            CheckKept(options, ranges, excluded, wrong);
        }

        if (ranges.Length != 0 && excluded.Or(PortList.Outside(ranges)).HasAllSet())
        {
            wrong.Add($"{nameof(options.Exclude)} is '{options.Exclude}' and leaves no port of {string.Join(',', ranges)}; exclude fewer or widen {nameof(options.Ports)}.");
        }
    }

    private static void CheckKept(PortRegistryOptions options, PortRange[] ranges, BitArray excluded, List<string> wrong)
    {
        Dictionary<int, string> owners = [];
        foreach ((string owner, int port) in options.KeptPorts)
        {
            string? complaint = OwnerName.Complaint(owner)
                ?? (!ranges.Any(range => range.Contains(port))
                    ? string.Create(CultureInfo.InvariantCulture, $"{port} is not one of {options.Ports}; keep one of those, or widen {nameof(options.Ports)}.")
                : excluded[port]
                    ? string.Create(CultureInfo.InvariantCulture, $"{port} is excluded ({options.Exclude}); a port is kept or excluded, so take it from one of them.")
                : !owners.TryAdd(port, owner)
                    ? string.Create(CultureInfo.InvariantCulture, $"{port} is kept for '{Printable.Of(owners[port])}' already; keep another one.")
                : null);
            if (complaint is not null)
            {
                wrong.Add($"{nameof(options.KeptPorts)}: '{Printable.Of(owner)}': {complaint}");
            }
        }
    }

    private static void CheckStrategies(PortRegistryOptions options, List<string> wrong)
    {
        List<string> names = [.. BuiltInStrategies];
        foreach (IPortAllocationStrategy strategy in options.CustomStrategies)
        {
            string name;
            try
            {
                name = strategy.Name;
            }
            catch (Exception exception)
            {
                wrong.Add($"{nameof(options.AddStrategy)}: the strategy {strategy.GetType()} does not say its name: {exception.GetType().Name}: {exception.Message.TrimEnd('.')}. Let Name answer a constant.");
                continue;
            }

            if (string.IsNullOrEmpty(name) || names.Contains(name))
            {
                wrong.Add($"{nameof(options.AddStrategy)}: a strategy named '{name}' cannot be added; choose a name that is not empty and not one of {string.Join(", ", names)}.");
            }
            else if (ComplaintOfName(name) is { } complaint)
            {
                wrong.Add($"{nameof(options.AddStrategy)}: {complaint}");
            }
            else
            {
                names.Add(name);
            }
        }

        if (names.Count > byte.MaxValue)
        {
            wrong.Add($"{nameof(options.AddStrategy)}: {names.Count} strategies are more than {byte.MaxValue}; add fewer.");
        }

        if (!names.Contains(options.Strategy))
        {
            wrong.Add($"{nameof(options.Strategy)} is '{options.Strategy}'; choose one of {string.Join(", ", names)}.");
        }
    }

    /// <summary>The name of a strategy stands in each fact of its claims, beside the owner's, and
    /// is read back from there.</summary>
    private static string? ComplaintOfName(string name)
    {
        if (name.Length > MaxStrategyBytes || Encoding.UTF8.GetByteCount(name) > MaxStrategyBytes)
        {
            return string.Create(CultureInfo.InvariantCulture, $"the name of the strategy '{name[..Math.Min(name.Length, 40)]}…' has {Encoding.UTF8.GetByteCount(name)} bytes of UTF-8 and may have {MaxStrategyBytes}; shorten it.");
        }

        return OwnerName.HoldsLoneSurrogate(name)
            ? $"the name of the strategy '{name}' holds a lone surrogate, which is no Unicode text; mend it."
            : null;
    }

    private static void CheckEnum<T>(List<string> wrong, string name, T value)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            wrong.Add($"{name} is {value}; choose one of {string.Join(", ", Enum.GetNames<T>())}.");
        }
    }

    private static void CheckTime(List<string> wrong, string name, TimeSpan value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
        {
            wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; choose a time from {least} to {most}.{TimeHint.Of(value)}"));
        }
    }

    private static void CheckNumber(List<string> wrong, string name, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; choose a number from {least} to {most}."));
        }
    }
}
