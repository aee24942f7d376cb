using System.Reflection;

namespace Portmap.Package.Tests;

/// <summary>The names that the compiler gives to members in XML documentation (ECMA-334, annex D);
/// no generic ones of our own, for there are none.</summary>
internal static class DocumentationId
{
    public static string Of(MemberInfo member)
    {
        string name = Of(member.DeclaringType!) + "." + member.Name.Replace('.', '#');
        return member switch
        {
            PropertyInfo => "P:" + name,
            FieldInfo => "F:" + name,
            EventInfo => "E:" + name,
            MethodBase method => "M:" + name + Parameters(method) + (method is MethodInfo { Name: "op_Implicit" or "op_Explicit" } conversion ? "~" + Of(conversion.ReturnType) : string.Empty),
            _ => "T:" + Of((Type)member),
        };
    }

    public static string Of(Type type)
    {
        if (type.IsByRef)
        {
            return Of(type.GetElementType()!) + "@";
        }

        if (type.IsArray)
        {
            return Of(type.GetElementType()!) + "[]";
        }

        if (!type.IsConstructedGenericType)
        {
            return type.FullName!.Replace('+', '.');
        }

        string open = type.GetGenericTypeDefinition().FullName!;
        return open[..open.IndexOf('`', StringComparison.Ordinal)] + "{" + string.Join(",", type.GetGenericArguments().Select(Of)) + "}";
    }

    private static string Parameters(MethodBase method)
    {
        string parameters = string.Join(",", method.GetParameters().Select(parameter => Of(parameter.ParameterType)));
        return parameters.Length == 0 ? string.Empty : "(" + parameters + ")";
    }
}
